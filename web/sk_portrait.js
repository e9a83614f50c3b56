// Colours of SK Portrait's wires, and the names of its inputs where the front end itself does not show them.
import { app } from "../../scripts/app.js";

const COLOURS = {
  FACE_TRACK: "#f4a259",
  SK_CROP: "#d0b060",
  SK_FACE_PATCHES: "#e8788a",
  SK_FACE_MOTION: "#e07bc5",
  SK_ADAPTER: "#8fb8ff",
  SK_DRIVE_ENCODER: "#6f9bff",
  SK_MOTION: "#5fd0d0",
  SK_REFERENCE: "#7ee081",
  SK_DRIVE: "#c3e06a",
  SK_STRENGTHS: "#c9a7ff",
  SK_CLIP_PART: "#b0bec5",
  SK_CLIP_PARTS: "#90a4ae",
  SK_WPLUS: "#ff9ecb",
  SK_WPLUS_CODE: "#ffc1dd",
  SK_TRAJECTORY: "#b39ddb",
  SK_XDYNA: "#80cbc4",
  SK_XDYNA_TOKENS: "#a5d6c9",
  SK_FACE_ID: "#d8a48f",
  SK_FACE_EMBEDDING: "#e6c3a5",
};

function colour() {
  for (const [type, value] of Object.entries(COLOURS)) {
    app.canvas.default_connection_color_byType[type] ||= value;
    app.canvas.constructor.link_type_colors[type] ||= value;
    document.documentElement.style.setProperty(`--color-datatype-${type}`, value); // Nodes 2.0
  }
}

// A socket of a saved graph has no label, and a label hides the translated name: label those without a translation.
function label(node) {
  const given = node.constructor?.nodeData?.input;
  if (!node.comfyClass?.startsWith("SKPortrait") || !given) return;
  for (const input of node.inputs ?? []) {
    const name = { ...given.required, ...given.optional }[input.name]?.[1]?.display_name;
    const translated = input.localized_name && input.localized_name !== input.name;
    if (translated && input.label === name) delete input.label;
    if (!translated && !input.widget) input.label ??= name;
  }
}

app.registerExtension({
  name: "sk-portrait.wires",
  setup: colour,
  afterConfigureGraph: colour, // the palette of the front end may have been read meanwhile
  nodeCreated: label,
  loadedGraphNode: label,
});
