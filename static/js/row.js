// The row of one photograph, from upload to caption; its HTML is templates/captioning/_row.html.

import { enhanceCaption } from "./caption.js";

// `upload(file, {signal, onStart, onProgress})` resolves with the HTML of the result.
export function createRow(template, file, { upload, announce }) {
  const row = template.content.firstElementChild.cloneNode(true);
  const part = (name) => row.querySelector(`[data-${name}]`);
  const [name, body, again, message, progress] = [
    "name", "body", "again", "message", "progress",
  ].map(part);
  const pending = [...body.children];
  const preview = showPreview(part("preview"), file);
  let controller;

  function enter(state, text) {
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    row.dataset.state = state;
    message.textContent = text;
    again.firstChild.data = state === "done" ? "Caption again" : "Try again";
    // If the focused button is hidden now, keep the focus in this row.
    if (focused?.offsetParent === null) (state === "cancelled" ? again : name).focus();
  }

  function showProgress(share) {
    progress.value = share;
    if (share === 1) enter("captioning", "Captioning…");
  }

  async function start() {
    controller = new AbortController();
    const { signal } = controller;
    body.replaceChildren(...pending);
    progress.value = 0;
    enter("waiting", "Waiting…");
    try {
      const html = await upload(file, {
        signal,
        onStart: () => enter("uploading", "Uploading…"),
        onProgress: showProgress,
      });
      const result = await parseResult(html);
      if (signal.aborted) return;
      body.replaceChildren(result);
      enter("done", "");
      const said = [...body.querySelectorAll("[data-guess], [data-sentence]")];
      announce(`${file.name}: ${said.map((part) => part.textContent).join(": ")}`);
      const captioned = body.querySelector("[data-caption]");
      captioned.dataset.file = file.name;
      enhanceCaption(captioned);
    } catch (error) {
      if (signal.aborted) return; // cancel() has already said so
      enter("failed", error.message);
      announce(`${file.name}: ${error.message}`);
    }
  }

  function cancel() {
    controller.abort();
    enter("cancelled", "Cancelled.");
    announce(`${file.name}: cancelled.`);
  }

  function remove() {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    URL.revokeObjectURL(preview);
    row.remove();
    (next?.querySelector("[data-name]") ?? document.querySelector("[data-choose]")).focus();
  }

  name.textContent = file.name;
  for (const [button, act] of [["cancel", cancel], ["again", start], ["remove", remove]]) {
    part(button).append(hidden(` ${file.name}`)); // tells this row's "Cancel" from the others
    part(button).addEventListener("click", act);
  }
  return { element: row, start };
}

function hidden(text) {
  const element = document.createElement("span");
  element.className = "visually-hidden";
  element.textContent = text;
  return element;
}

// Stays hidden for formats that the server reads and the browser does not.
function showPreview(image, file) {
  image.addEventListener("load", () => { image.hidden = false; });
  image.src = URL.createObjectURL(file);
  return image.src;
}

// Parses the result and decodes its image, so that nothing flashes when it replaces the preview.
async function parseResult(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const result = document.importNode(holder.content, true);
  const image = result.querySelector("[data-photograph]");
  image.loading = "eager";
  await image.decode();
  return result;
}
