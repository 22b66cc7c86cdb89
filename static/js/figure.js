// A figure like those in Xu et al., "Show, Attend and Tell" (2015): the photograph, then a copy of it
// for each word, dark where the model did not look.

import { shade } from "./attention.js";

const COLUMNS = 4;
const PANEL_WIDTH = 320;
const GAP = 16;
const LABEL_HEIGHT = 36;
const TITLE_HEIGHT = 72;

// Each of `words` has an attention and a label. Resolves with the PNG file as a Blob.
export function drawFigure(image, sentence, words) {
  const panels = [null, ...words];
  const panelHeight = Math.round((PANEL_WIDTH * image.naturalHeight) / image.naturalWidth);
  const canvas = document.createElement("canvas");
  canvas.width = COLUMNS * (PANEL_WIDTH + GAP) + GAP;
  canvas.height = TITLE_HEIGHT
    + Math.ceil(panels.length / COLUMNS) * (panelHeight + LABEL_HEIGHT + GAP) + GAP;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "black";
  context.textBaseline = "middle";
  context.font = "32px serif";
  context.fillText(sentence, GAP, TITLE_HEIGHT / 2, canvas.width - 2 * GAP);
  context.font = "20px sans-serif";

  panels.forEach((word, number) => {
    const x = GAP + (number % COLUMNS) * (PANEL_WIDTH + GAP);
    const y = TITLE_HEIGHT
      + Math.floor(number / COLUMNS) * (panelHeight + LABEL_HEIGHT + GAP);
    context.drawImage(image, x, y, PANEL_WIDTH, panelHeight);
    if (word === null) return;
    shade(context, word.attention, x, y, PANEL_WIDTH, panelHeight);
    context.fillText(word.label, x, y + panelHeight + LABEL_HEIGHT / 2, PANEL_WIDTH);
  });
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}
