// Remembers the options for the next visit. Stores only those that differ from the defaults, so that
// the others follow the defaults of whatever model is served then.

const KEY = "image-captioner.options";

export function rememberOptions(container) {
  const fields = [...container.querySelectorAll("input")];

  for (const field of fields) {
    const { [field.name]: value } = recall();
    if (value === undefined) continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value;
  }
  container.addEventListener("change", () => keep(fields));
  // The event comes before the fields are reset.
  container.closest("form").addEventListener("reset", () => setTimeout(() => keep(fields)));
}

function keep(fields) {
  const changed = fields.filter((field) =>
    field.type === "checkbox"
      ? field.checked !== field.defaultChecked
      : field.value !== field.defaultValue);
  const options = changed.map((field) =>
    [field.name, field.type === "checkbox" ? field.checked : field.value]);
  storage()?.setItem(KEY, JSON.stringify(Object.fromEntries(options)));
}

function recall() {
  return JSON.parse(storage()?.getItem(KEY) ?? "{}");
}

// With storage blocked for this site, reading the property throws.
function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
