// Attention weights, rows of a grid over the whole photograph, drawn and put into words.

const DARKEST = 0.82; // opacity over the region that was looked at least
const ALMOST_EVEN = 1.2;

// Darkens what was not looked at, on a context whose canvas has the photograph's proportions.
export function shade(context, attention, x, y, width, height) {
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(shadeOfRegions(attention), x, y, width, height);
}

// One pixel for each region. From the least to the most attention, however small the difference:
// what whereLooked says in words tells how large it is.
function shadeOfRegions(attention) {
  const canvas = document.createElement("canvas");
  canvas.height = attention.length;
  canvas.width = attention[0].length;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  const weights = attention.flat();
  const [least, most] = [Math.min(...weights), Math.max(...weights)];
  weights.forEach((weight, region) => {
    const seen = most > least ? (weight - least) / (most - least) : 1;
    pixels.data[4 * region + 3] = Math.round(255 * DARKEST * (1 - seen));
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// Where the model looked most, and how much more than elsewhere.
export function whereLooked(attention) {
  const weights = attention.flat();
  const even = 1 / weights.length;
  const most = Math.max(...weights);
  if (most < ALMOST_EVEN * even) return "It looked almost evenly at the whole photograph.";
  const times = (most / even).toFixed(1);
  return `It looked most at the ${placeOf(weights.indexOf(most), attention)}: `
    + `${times} times as much as if it had looked evenly.`;
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
