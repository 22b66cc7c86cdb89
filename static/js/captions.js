// For pages that come with captions on them.

import { enhanceCaption } from "./caption.js";

document.querySelectorAll("[data-caption]").forEach(enhanceCaption);
