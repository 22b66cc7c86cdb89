// What can be taken along from a caption: its text, its HTML, a figure of its attention.

import { drawFigure } from "./figure.js";

export function offerToTake(root, caption) {
  const outcome = root.querySelector("[data-taken]");

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      outcome.textContent = `${what} copied.`;
    } catch {
      // Refused by the reader or, on pages without https, by the browser.
      outcome.textContent = "This browser does not let the page copy. Select the text instead.";
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
    outcome.textContent = "Figure saved.";
  });
  root.querySelector("[data-taking]").hidden = false;
}

// The browser writes the HTML, and so escapes what must be. In a document of its own, where it does
// not fetch the image.
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
  // The download has begun by then; nothing tells when.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
