// Makes the words of a caption (templates/captioning/_caption.html) respond to pointer, touch and
// keyboard: each shows where the model looked, how sure it was and what else it considered.

import { addActions } from "./actions.js";
import { shade, whereLooked } from "./attention.js";

const DRAWN_SIDE = 512; // pixels; attention is too blurred for more to show

export function enhanceCaption(root) {
  const caption = JSON.parse(root.querySelector("script").textContent);
  const details = [...root.querySelectorAll("[data-word-details]")];
  const wordInfo = root.querySelector("[data-word-info]");
  const hint = [...wordInfo.children];
  const drawing = createDrawing(root.querySelector("[data-photograph]"));
  const sentence = root.querySelector("[data-sentence]");
  const words = [...root.querySelectorAll("[data-word]")].map(toButton);
  let pinned = -1;

  function show(number) {
    words.forEach((word, other) => word.classList.toggle("shown", other === number));
    const attention = caption.words[number]?.attention;
    drawing.show(attention);
    if (number < 0) wordInfo.replaceChildren(...hint);
    else wordInfo.replaceChildren(...infoOf(details[number], attention));
  }

  function pin(number) {
    pinned = number;
    words.forEach((word, other) => word.setAttribute("aria-pressed", String(other === pinned)));
    show(pinned);
  }

  const numberOf = (target) => words.indexOf(target.closest("button"));

  sentence.addEventListener("pointerover", ({ target }) => {
    if (numberOf(target) >= 0) show(numberOf(target));
  });
  sentence.addEventListener("pointerleave", () => show(pinned));
  sentence.addEventListener("focusin", ({ target }) => show(numberOf(target)));
  sentence.addEventListener("focusout", () => show(pinned));
  sentence.addEventListener("click", ({ target }) => {
    const number = numberOf(target);
    if (number >= 0) pin(number === pinned ? -1 : number);
  });
  sentence.addEventListener("keydown", ({ key }) => { if (key === "Escape") pin(-1); });
  wordInfo.hidden = false;
  addActions(root, caption);
}

function toButton(word) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = word.className;
  button.textContent = word.textContent;
  button.setAttribute("aria-pressed", "false");
  if (word.classList.contains("doubtful")) {
    button.setAttribute("aria-label", `${word.textContent}, doubtful`);
  }
  word.replaceWith(button);
  return button;
}

// The elements to show about a word: its entry in the list of all words, and where the model looked.
function infoOf(details, attention) {
  const parts = [...details.cloneNode(true).children];
  if (attention) {
    const place = document.createElement("p");
    place.className = "note";
    place.textContent = whereLooked(attention);
    parts.push(place);
  }
  return parts;
}

function createDrawing(image) {
  const canvas = document.createElement("canvas");
  // Not image.width, which is the width of the frame.
  const [width, height] = ["width", "height"].map((side) => Number(image.getAttribute(side)));
  const scale = DRAWN_SIDE / Math.max(width, height);
  [canvas.width, canvas.height] = [width * scale, height * scale];
  canvas.className = "attention";
  canvas.hidden = true;
  canvas.setAttribute("aria-hidden", "true");
  image.after(canvas);

  function show(attention) {
    canvas.hidden = !attention;
    if (!attention) return;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    shade(context, attention, 0, 0, canvas.width, canvas.height);
  }

  return { show };
}
