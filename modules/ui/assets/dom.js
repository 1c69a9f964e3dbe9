// Making elements. Text is only ever set as text; HTML comes from the server alone, already sanitised.

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "safeHtml") node.innerHTML = value;
    else if (name in node && !name.includes("-")) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const COPIED_MS = 1500;
const SHAPES = {
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  search: "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14ZM20 20l-4-4",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "M5 13l4 4L19 7",
  edit: "M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4",
  retry: "M4 12a8 8 0 1 1 2.5 5.8M4 20v-5h5",
  forth: "M4 12h15M13 6l6 6-6 6",
  send: "M12 19V5M5 12l7-7 7 7",
  stop: "M7 7h10v10H7z",
  down: "M6 9l6 6 6-6",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  moon: "M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5Z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5",
  chat: "M4 5h16v11H9l-5 4z",
  form: "M4 5h16M4 10h10M4 15h16v5H4z",
  notebook: "M6 4h12v16H6zM9 4v16M12 9h3M12 13h3",
  folder: "M4 7h6l2 2h8v10H4z",
  tool: "M14.5 6.5a4.5 4.5 0 0 0-5.9 5.7L3.5 17.3 6.7 20.5l5.1-5.1a4.5 4.5 0 0 0 5.7-5.9l-2.8 2.8-2.9-.1-.1-2.9z",
  undo: "M9 14l-5-5 5-5M4 9h9a6 6 0 0 1 0 12h-3",
  redo: "M15 14l5-5-5-5M20 9h-9a6 6 0 0 0 0 12h3",
  panel: "M4 5h16v14H4zM14 5v14",
  columns: "M4 5h16v14H4zM12 5v14",
  puzzle: "M4 8h4a2.5 2.5 0 1 1 4 0h4v4a2.5 2.5 0 1 1 0 4v4h-4a2.5 2.5 0 1 0-4 0H4z",
  window: "M4 5h16v14H4zM4 9h16",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  cube: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  star: "M12 4l2.5 5.2 5.7.8-4.1 4 1 5.7-5.1-2.7-5.1 2.7 1-5.7-4.1-4 5.7-.8z",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  eject: "M12 5l7 9H5zM5 19h14",
  close: "M6 6l12 12M18 6L6 18",
  up: "M6 15l6-6 6 6",
  curve: "M4 4v16h16M7 7c2 7 5 9 13 9",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
};

export function icon(name) {
  return drawing("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" }, drawing("path", { d: SHAPES[name] }));
}

// An element of a drawing (SVG), by its attributes.
export function drawing(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter(Boolean));
  return node;
}

export function iconButton(name, label, action, extraClass = "") {
  return element(
    "button",
    { type: "button", class: `icon-button ${extraClass}`, "aria-label": label, title: label, onclick: action },
    icon(name),
  );
}

// `text` is asked for when it is copied.
export function copyButton(label, text) {
  const button = iconButton("copy", label, async () => {
    await copyText(text());
    button.replaceChildren(icon("check"));
    setTimeout(() => button.replaceChildren(icon("copy")), COPIED_MS);
  });
  return button;
}

export function brandMark() {
  return element("img", { class: "brand-mark", src: new URL("./icon.svg", import.meta.url).href, alt: "" });
}

export function sizeText(bytes) {
  if (!bytes) return "";
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages that are not served securely have no clipboard; a selection can still be copied.
    const area = element("textarea", { value: text, class: "off-screen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
