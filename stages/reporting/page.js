// Draws the charts in the page's theme, sorts tables, switches the theme, jumps into videos.

const LIGHT = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000"];
const DARK = ["#56B4E9", "#E69F00", "#00C08B", "#E49AC6", "#8AB8FF", "#FF7F3F", "#F0F0F0"];
const root = document.documentElement;
const wanted = window.matchMedia("(prefers-color-scheme: dark)");

function theme() {
  const style = getComputedStyle(root);
  const ink = style.getPropertyValue("--ink").trim();
  const line = style.getPropertyValue("--line").trim();
  const axis = { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line };
  return {
    background: null,
    font: "system-ui, DejaVu Sans, sans-serif",
    axis: { ...axis, labelLimit: 140, labelFontSize: 11, titleFontWeight: "normal" },
    axisX: { labelAngle: 0 },
    legend: { labelColor: ink, titleColor: ink, orient: "bottom", columns: 3, labelLimit: 130, symbolLimit: 40, symbolBaseFillColor: ink, symbolBaseStrokeColor: ink },
    view: { stroke: null },
    rule: { color: ink },
    text: { font: "system-ui, DejaVu Sans, sans-serif", color: ink },
    range: { category: root.dataset.theme === "dark" ? DARK : LIGHT },
  };
}

const charts = [...document.querySelectorAll(".vega")];

async function draw() {
  root.dataset.drawn = "no";
  const config = theme();
  for (const place of charts) {
    const spec = JSON.parse(place.nextElementSibling.textContent);
    spec.description = place.getAttribute("aria-label"); // for screen readers; Vega puts it where this was
    const many = (spec.data.values || []).length > 2000;
    try {
      await window.vegaEmbed(place, spec, { actions: false, renderer: many ? "canvas" : "svg", config, ast: false });
    } catch (error) {
      place.textContent = "This chart could not be drawn: " + error.message;
      console.error(error);
    }
    // The page is read and scrolled between charts.
    await new Promise((done) => setTimeout(done, 0));
  }
  root.dataset.drawn = "yes";
}

function setTheme(name) {
  root.dataset.theme = name;
  const button = document.getElementById("theme");
  button.setAttribute("aria-pressed", String(name === "dark"));
  return draw();
}

function valueOf(row, index) {
  const cell = row.children[index];
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const text = cell.textContent.trim();
  const interval = /^([+-]?[0-9.]+) to /.exec(text); // sorted by its lower end
  return interval ? Number(interval[1]) : text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? 1 : -1;
  return a.localeCompare(b, undefined, { numeric: true });
}

function sortBy(header) {
  const table = header.closest("table");
  const index = [...header.parentNode.children].indexOf(header);
  const order = header.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
  for (const other of header.parentNode.children) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => sign * compare(valueOf(a, index), valueOf(b, index)));
  table.tBodies[0].append(...rows);
}

function jump(event) {
  const link = event.currentTarget;
  const film = link.getAttribute("href").split("#")[0];
  const video = [...document.querySelectorAll("video")].find((each) => each.getAttribute("src") === film);
  if (!video) return;
  event.preventDefault();
  const start = Number(link.dataset.start);
  const play = () => { video.currentTime = start; video.play().catch(() => {}); };
  if (video.readyState > 0) play();
  else { video.addEventListener("loadedmetadata", play, { once: true }); video.preload = "auto"; video.load(); }
  video.scrollIntoView({ block: "center" });
  video.focus();
}

for (const header of document.querySelectorAll("table.sortable th")) {
  header.firstElementChild.addEventListener("click", () => sortBy(header));
}
for (const link of document.querySelectorAll("a[data-start]")) link.addEventListener("click", jump);
document.getElementById("theme").addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));
wanted.addEventListener("change", () => setTheme(wanted.matches ? "dark" : "light"));
// What was written is painted before anything is computed.
requestAnimationFrame(() => setTimeout(() => setTheme(wanted.matches ? "dark" : "light"), 0));
