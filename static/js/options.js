// Options that are the same at the next visit. Kept are those alone that differ from the page's own:
// the others follow the model, should another one be served.

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
  // The form is reset after the event.
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

// Browsers that keep nothing for this site throw when asked for the storage.
function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
