// For pages that already contain a caption when they load.

import { enhanceCaption } from "./caption.js";

document.querySelectorAll("[data-caption]").forEach(enhanceCaption);
