// Pictures of the presets: a button on the nodes that have a preset opens a gallery, and a click on a picture chooses.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const NODES = ["SKPortraitPresetExpression", "SKPortraitExpressionEditor"];
const SAVED = "sk_portrait_presets"; // in ComfyUI's user folder: one JSON file per preset, its picture inside
const PICTURE = "data:image/jpeg;base64,";
const SIDE = 128; // pixels of a picture
const LABELS = { en: "choose by picture", zh: "按图片选择" };

function label() {
  const language = app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
  return LABELS[language] ?? LABELS.en;
}

function shipped(name) {
  return new URL(`docs/pictures/presets/${name.replaceAll(" ", "_")}.jpg`, import.meta.url).href;
}

async function saved(name) {
  const reply = await api.getUserData(`${SAVED}/${name}.json`);
  const { picture } = reply.status === 200 ? await reply.json() : {};
  return picture?.startsWith(PICTURE) ? picture : "";
}

function cell(name, choose) {
  const button = document.createElement("button");
  button.dataset.preset = name;
  button.style.cssText = "display: grid; gap: 4px; padding: 6px; border-radius: 8px; cursor: pointer; color: inherit;"
    + "background: var(--comfy-input-bg, #222); border: 1px solid var(--border-color, #444);";
  const picture = document.createElement("img");
  picture.width = picture.height = SIDE;
  picture.alt = "";
  picture.addEventListener("error", async () => { picture.src = await saved(name); }, { once: true });
  picture.src = shipped(name);
  const caption = document.createElement("span");
  caption.textContent = name;
  button.append(picture, caption);
  button.addEventListener("click", () => choose(name));
  return button;
}

function gallery(preset) {
  const dialog = document.createElement("dialog");
  dialog.className = "sk-portrait-presets";
  dialog.style.cssText = `max-width: ${5 * (SIDE + 30)}px; padding: 12px; border-radius: 12px; border: 1px solid var(--border-color, #444);`
    + "background: var(--comfy-menu-bg, #333); color: var(--input-text, #ddd);";
  const grid = document.createElement("div");
  grid.style.cssText = "display: flex; flex-wrap: wrap; gap: 8px;";
  const choose = (name) => {
    preset.value = name;
    preset.callback?.(name);
    app.graph.setDirtyCanvas(true, true);
    dialog.close();
  };
  const names = typeof preset.options.values === "function" ? preset.options.values() : preset.options.values;
  grid.append(...names.map((name) => cell(name, choose)));
  dialog.append(grid);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

app.registerExtension({
  name: "SKPortrait.PresetPictures",
  nodeCreated(node) {
    const preset = NODES.includes(node.comfyClass) && node.widgets?.find((widget) => widget.name === "preset");
    if (!preset) return;
    const button = node.addWidget("button", label(), null, () => gallery(preset));
    button.serialize = false;
  },
});
