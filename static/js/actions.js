// The buttons below a caption: copy its text, copy it as HTML, save a figure of its attention.

import { drawFigure } from "./figure.js";

export function addActions(root, caption) {
  const status = root.querySelector("[data-action-status]");

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = `${what} copied.`;
    } catch {
      // The reader refused, or the page came without HTTPS.
      status.textContent = "Your browser blocked copying. Select the text instead.";
    }
  }

  function onClick(button, act) {
    root.querySelector(`[data-${button}]`)?.addEventListener("click", act);
  }

  onClick("copy-caption", () => copy(root.dataset.text, "Caption"));
  onClick("copy-html", () => copy(imageElement(root.dataset.file, root.dataset.text), "HTML"));
  onClick("save-figure", async () => {
    const labels = [...root.querySelectorAll("[data-word-details] [data-label]")];
    const words = caption.words.map(({ attention }, number) =>
      ({ attention, label: labels[number].textContent }));
    const image = root.querySelector("[data-photograph]");
    const figure = await drawFigure(image, caption.sentence, words);
    save(figure, `${root.dataset.file.replace(/\.[^.]+$/, "")}-attention.png`);
    status.textContent = "Figure saved.";
  });
  root.querySelector("[data-actions]").hidden = false;
}

// Lets the browser write the HTML, so that it is escaped correctly. The element belongs to a separate
// document, so the browser does not fetch the image.
function imageElement(name, sentence) {
  const image = document.implementation.createHTMLDocument().createElement("img");
  image.setAttribute("src", name);
  image.setAttribute("alt", sentence);
  return image.outerHTML;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // No event says when the download has started; by then it surely has.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
