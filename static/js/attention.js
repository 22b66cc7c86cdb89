// Attention weights, in rows of a grid over the whole photograph, as a drawing and in words.

const DARKEST = 0.82; // opacity over the region with the least attention
const ALMOST_EVEN = 1.2; // times the mean attention; less than this is not worth pointing out

// Darkens the regions that got little attention. The rectangle has the photograph's proportions.
export function shade(context, attention, x, y, width, height) {
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(regionShades(attention), x, y, width, height);
}

// A canvas with one pixel per region; drawing it larger blurs them. The opacity always spans the
// full range, however small the differences: whereLooked puts their size into words.
function regionShades(attention) {
  const canvas = document.createElement("canvas");
  canvas.height = attention.length;
  canvas.width = attention[0].length;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const weights = attention.flat();
  const [least, most] = [Math.min(...weights), Math.max(...weights)];
  weights.forEach((weight, region) => {
    const looked = most > least ? (weight - least) / (most - least) : 1;
    pixels.data[4 * region + 3] = Math.round(255 * DARKEST * (1 - looked));
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// Says where the model looked most, and how much more than on average.
export function whereLooked(attention) {
  const weights = attention.flat();
  const mean = 1 / weights.length;
  const most = Math.max(...weights);
  if (most < ALMOST_EVEN * mean) return "The model looked at the whole photograph almost evenly.";
  const times = (most / mean).toFixed(1);
  return `The model looked most at the ${placeOf(weights.indexOf(most), attention)}: `
    + `${times} times the average.`;
}

function placeOf(region, attention) {
  const columns = attention[0].length;
  const vertical = third(Math.floor(region / columns), attention.length, ["top", "", "bottom"]);
  const horizontal = third(region % columns, columns, ["left", "", "right"]);
  return [vertical, horizontal].filter(Boolean).join(" ") || "middle";
}

function third(position, size, names) {
  return names[Math.floor(((position + 0.5) / size) * 3)];
}
