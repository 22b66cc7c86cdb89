// The row of one photograph, from its upload to its caption: templates/captioning/_row.html.

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
  let upcoming;

  function enter(state, text) {
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    row.dataset.state = state;
    message.textContent = text;
    again.firstChild.data = state === "done" ? "Caption again" : "Try again";
    // Whoever was at a button that is gone now goes on at this row.
    if (focused?.offsetParent === null) (state === "stopped" ? again : name).focus();
  }

  function showProgress(share) {
    progress.value = share;
    if (share === 1) enter("looking", "The model is looking at it …");
  }

  async function start() {
    upcoming = new AbortController();
    const { signal } = upcoming;
    body.replaceChildren(...pending);
    progress.value = 0;
    enter("waiting", "Waiting for its turn …");
    try {
      const html = await upload(file, {
        signal,
        onStart: () => enter("sending", "On its way …"),
        onProgress: showProgress,
      });
      const result = await readResult(html);
      if (signal.aborted) return;
      body.replaceChildren(result);
      enter("done", "");
      announce(`${file.name}: ${body.querySelector("[data-sentence]").textContent}`);
      const captioned = body.querySelector("[data-caption]");
      captioned.dataset.file = file.name;
      enhanceCaption(captioned);
    } catch (error) {
      if (signal.aborted) return; // stop has said so
      enter("failed", error.message);
      announce(`${file.name}: ${error.message}`);
    }
  }

  function stop() {
    upcoming.abort();
    enter("stopped", "Cancelled.");
    announce(`${file.name}: cancelled.`);
  }

  function remove() {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    URL.revokeObjectURL(preview);
    row.remove();
    (next?.querySelector("[data-name]") ?? document.querySelector("[data-choose]")).focus();
  }

  name.textContent = file.name;
  for (const [button, act] of [["stop", stop], ["again", start], ["remove", remove]]) {
    part(button).append(hidden(` ${file.name}`)); // "Cancel" alone could be that of any row
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

// Browsers do not show every format that the server reads: then there is no preview.
function showPreview(image, file) {
  image.addEventListener("load", () => { image.hidden = false; });
  image.src = URL.createObjectURL(file);
  return image.src;
}

// The result with its picture decoded, so that nothing flashes when it takes the preview's place.
async function readResult(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const result = document.importNode(holder.content, true);
  const image = result.querySelector("[data-photograph]");
  image.loading = "eager";
  await image.decode();
  return result;
}
