"""`python -m stages.report` on runs of every kind, opened in a real browser."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from browser import Opened, needs_chromium, opened
from drawing_project import ROOT
from reporting_project import MOMENTS, lay_out_report

from stages.clock import TIMES
from stages.files import write_json
from stages.plot import main as plot
from stages.report import PAGE, main
from stages.reporting.inlining import Inlined

LIMIT = 15_000_000  # bytes
ODD = ("a b", 'it\'s "quoted"', "<script>alert(1)</script>", "</script><b>x", "日本語", "ü & ñ")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all there is, and its page."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lay_out_report(report={"price_per_hour": 2.0, "currency": "EUR"})
        record = {"seconds": 180.0, "peak_memory_mb": 300, "ended": "2026-01-02T03:04:05+00:00"}
        for stage in ("finetune@stage1", "finetune@gone", "track@stage1-gone"):  # the two are of earlier params
            write_json(TIMES / f"{stage}.json", record)
        ran = ("finetune@stage1", "track@stage1-bytetrack", "track@stage1-gone", "report", "gate")
        Path("dvc.lock").write_text(yaml.safe_dump({"stages": {name: {} for name in ran}}))
        plot()
        main()
    return folder


@pytest.fixture
def standard(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the folder of `whole`, which tests leave as it is."""
    monkeypatch.chdir(whole)


class Names(HTMLParser):
    """The elements of a page, by name and attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def charts(opened_page: Opened) -> list[str]:
    """The titles of pictures whose charts are all drawn."""
    return opened_page.page.eval_on_selector_all(
        "figure.chart",
        """figures => figures.filter(f => [...f.querySelectorAll('.vega')].every(v => v.querySelector('svg, canvas')))
        .map(f => f.querySelector('h3').textContent)""",
    )


PICTURES = [
    "Forgetting: HOTA after each stage",
    "What each stage gained and lost, with 95 % intervals",
    "Training over time",
    "HOTA over alpha with bytetrack",
    "Detection (DetA) against association (AssA)",
    "HOTA of every test sequence with bytetrack",
    "Causes of mistakes with bytetrack",
    "Boxes for training, by stage and class, stacked by source",
]
TIMES_PICTURE = "How long each stage took"


@needs_chromium
def test_every_chart_is_drawn_with_no_error_and_no_request(standard):
    with opened(PAGE) as found:
        found.wait_for_charts()
        assert charts(found) == [*PICTURES, TIMES_PICTURE]
        assert found.console == []
        assert [url for url in found.requests if not url.startswith(("file:", "data:"))] == []
        assert [url for url in found.requests if url.startswith("file:")] == [PAGE.resolve().as_uri()]
        labels = found.page.eval_on_selector_all(".vega", "all => all.map(v => v.getAttribute('aria-label'))")
        assert all(len(label) > 40 for label in labels)
        assert found.page.locator(".vega").first.locator("svg").get_attribute("width") is not None


def test_every_picture_is_a_png_and_a_csv_too(standard):
    addresses = [of.get("href", "") for tag, of in Names(page()).found if tag == "a"]
    files = [Path(address) for address in addresses if address.endswith((".png", ".csv")) and "explore" not in address]
    names = {suffix: {path.stem for path in files if path.suffix == suffix} for suffix in (".png", ".csv")}
    assert names[".png"] == names[".csv"] - {"hota"} > {"forgetting", "gains", "timeline", "hota_alpha", "sequences"}
    assert [path for path in files if not (PAGE.parent / path).is_file()] == []


@needs_chromium
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_nothing_overlaps_at_any_width_and_in_the_dark(standard, width, dark):
    with opened(PAGE, width, dark=dark) as found:
        found.wait_for_charts()
        overlaps = found.page.evaluate(
            """() => {
              const inside = (a, b) => a.contains(b) || b.contains(a);
              const blocks = [...document.querySelectorAll(
                'h1, h2, h3, h4, .vega, .said, .note, .card, .facts > div, .scroll, .gallery li, .films li, nav a')];
              const boxes = blocks.map(b => [b, b.getBoundingClientRect()]).filter(([, r]) => r.width && r.height);
              const bad = [];
              for (const [a, p] of boxes) for (const [b, q] of boxes) {
                if (a === b || inside(a, b)) continue;
                const x = Math.min(p.right, q.right) - Math.max(p.left, q.left);
                const y = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
                if (x > 1 && y > 1) bad.push(a.textContent.slice(0, 40) + ' / ' + b.textContent.slice(0, 40));
              }
              return bad;
            }"""
        )
        assert overlaps == []
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        cut = "all => all.filter(v => v.querySelector('svg').getBoundingClientRect().right > innerWidth + 1).length"
        assert found.page.eval_on_selector_all(".vega", cut) == 0
        back = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert back == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")


STREET_TO_AIR = ("bdd_foundation", "bdd_refinement", "vis_adaptation", "vis_specialist")


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_no_word_of_a_chart_covers_another(width):
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    afters = ("pretrained", *STREET_TO_AIR)
    changes = dict.fromkeys(STREET_TO_AIR, document["stage1"])
    changes["curriculum"] = {name: {"after": after} for name, after in zip(STREET_TO_AIR, afters, strict=False)}
    changes |= {"stage1": None, "stage2": None, "stage3": None, "gates": {}}
    lay_out_report(**changes, evaluation=document["evaluation"] | {"checkpoints": list(afters)})
    main()
    with opened(PAGE, width) as found:
        found.wait_for_charts()
        covered = found.page.evaluate(
            """() => [...document.querySelectorAll('.vega svg')].flatMap(svg => {
              const shown = t => t.textContent.trim() && t.checkVisibility({checkOpacity: true});
              const words = [...svg.querySelectorAll('text')].filter(shown);
              const boxes = words.map(t => [t.textContent, t.getBoundingClientRect()]);
              return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([, q]) =>
                Math.min(p.right, q.right) - Math.max(p.left, q.left) > 2 &&
                Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 2).map(([b]) => a + ' / ' + b));
            })"""
        )
        assert covered == [], covered


@needs_chromium
def test_tables_sort_by_keyboard_and_the_theme_switches(standard):
    with opened(PAGE) as found:
        found.wait_for_charts()
        table = found.page.locator("table", has=found.page.get_by_role("button", name="AssA"))
        column = "rows => rows.map(row => row.children[3].textContent)"
        before = table.locator("tbody tr").evaluate_all(column)
        table.get_by_role("button", name="HOTA", exact=True).focus()
        found.page.keyboard.press("Enter")
        after = [float(value) for value in table.locator("tbody tr").evaluate_all(column)]
        assert after == sorted(map(float, before), reverse=True) != list(map(float, before))
        assert table.locator("th").nth(3).get_attribute("aria-sort") == "descending"
        found.page.keyboard.press("Enter")
        assert [float(v) for v in table.locator("tbody tr").evaluate_all(column)] == sorted(map(float, before))
        table.get_by_role("button", name="HOTA, 95 %").click()
        intervals = "rows => rows.map(row => row.children[9].textContent)"
        lows = [float(text.split(" to ")[0]) for text in table.locator("tbody tr").evaluate_all(intervals)]
        assert lows == sorted(lows, reverse=True) and len(set(lows)) > 4
        found.page.get_by_role("button", name="Dark").click()
        found.wait_for_charts()
        assert found.page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert found.console == []


@needs_chromium
def test_a_worst_moment_jumps_into_the_video(standard):
    with opened(PAGE) as found:
        found.wait_for_charts()
        moments = found.page.locator("a[data-start]")
        assert moments.count() == MOMENTS
        assert moments.nth(1).get_attribute("href") == "videos/stage3/worst.mp4#t=4"
        moments.nth(1).click()  # there is no such file here: the page asks for it, and stays where it is
        assert found.page.evaluate("document.activeElement.getAttribute('src')") == "videos/stage3/worst.mp4"
        assert found.page.url.startswith(PAGE.resolve().as_uri())


def test_the_head_tells_what_it_took(standard):
    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page()))
    assert facts["training took"] == "6 min 30 s"
    assert facts["cost"] == "at least 0.24 EUR at 2 an hour"  # 180 s here, and two stages of 130 s elsewhere
    assert facts["peak memory"] == "0.5 GiB"
    assert facts["trained at"] == "2026-01-02 03:04:05 UTC"
    assert facts["all stages took"] == "3 min 0 s (1 of 2 on record)"
    assert "taken from DVC&#39;s cache): track@stage1-bytetrack.</p>" in page()
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page().partition("as last run on this machine")[2])
    assert cells[:5] == ["finetune@stage1", "180.0", "300", "2026-01-02T03:04:05", "0.1"]
    assert facts["trained"] == "yolov8-pico (yolo), person, car"


def test_events_are_on_the_time_axis(standard):
    with Path("plots/report/timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert [float(row["minutes"]) for row in rows[18:22]] == pytest.approx([1.9, 2.0, 2.1, 2.2])  # two stages meet
    assert "out of memory at step 10: went on with batch 4" in page()
    assert "killed, went on after step 5" in page()


RUNS = {
    "no trackers": {"trackers": {}},
    "one class": {"classes": ["person"]},
    "one stage": {"curriculum": {"stage1": {"after": "pretrained"}}, "stage2": None, "stage3": None},
    "no test split": {"sequences": ()},
    "odd names": {"sequences": ODD},
}


def _changes(name: str) -> dict:
    changes = dict(RUNS[name])
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    if name == "one class":
        roles = {"person": "person", "car": "drop", "hidden": "distractor"}
        changes["sources"] = {key: of | {"classes": roles} for key, of in document["sources"].items()}
    if name == "one stage":
        changes["evaluation"] = document["evaluation"] | {"checkpoints": ["stage1"]}
        changes["gates"] = {}
    return changes


@needs_chromium
@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_any_kind_has_a_page(name):
    lay_out_report(**_changes(name))
    main()
    text = page()
    for odd in ODD[2:4]:
        assert odd not in text
    with opened(PAGE) as found:
        found.wait_for_charts()
        assert found.console == []
        assert len(charts(found)) == found.page.locator("figure.chart").count() >= 2
        shown = found.page.inner_text("main")
    said = {
        "no trackers": "params.yaml names no tracker: detection alone is scored.",
        "one class": "yolov8-pico (yolo), person",
        "one stage": "What stages gained is not told",
        "no test split": "nothing to show, no test sequence has ground truth",
        "odd names": "Causes of mistakes",
    }
    assert said[name] in shown


def test_no_ground_truth(monkeypatch):
    nothing = {checkpoint: {"street": None, "air": None} for checkpoint in ("pretrained", "stage1", "stage2", "stage3")}
    monkeypatch.setattr("drawing_project.HOTA", nothing)
    lay_out_report()
    main()
    assert "No HOTA to compare checkpoints by" in page()
    assert page().count("n/a") > 8


@needs_chromium
def test_ten_thousand_sequences():
    evaluation = yaml.safe_load((ROOT / "params.yaml").read_text())["evaluation"]
    names = [f"sequence-{number}" for number in range(10_000)]
    lay_out_report(sequences=names, trackers={"bytetrack": {"type": "bytetrack"}}, evaluation=evaluation)
    main()
    assert PAGE.stat().st_size < LIMIT
    with opened(PAGE) as found:
        found.wait_for_charts()
        assert found.console == []
        assert charts(found) == PICTURES
        shown = found.page.locator("figure", has_text="HOTA of every test sequence").locator("script").first
        [box, _] = json.loads(shown.text_content())["data"]["values"]
    assert box == {"checkpoint": "stage1", "sequences": 10_000} | dict.fromkeys(("p5", "p25", "p50", "p75", "p95"), 0.8)


def test_names_are_text(project):
    lay_out_report(sequences=ODD)
    with Path("plots/videos/stage3/worst.csv").open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow([4, "street", ODD[2], 1, 9, 8.0, 1, 1, 1, "worst/01.jpg"])
    main()
    scripts = [of for tag, of in Names(page()).found if tag == "script"]
    assert {of.get("type") for of in scripts} == {"module", "application/json"}
    assert len([of for of in scripts if of["type"] == "module"]) == 2
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page()
    assert not [tag for tag, _ in Names(page()).found if tag == "b"]


def test_a_page_stays_small_whatever_it_is_given(monkeypatch):
    monkeypatch.setattr("stages.report.Inlined", lambda: Inlined(0))
    lay_out_report()
    main()
    sources = [of["src"] for tag, of in Names(page()).found if tag == "img"]
    assert sources[0] == "videos/stage3/worst/01.jpg"
    assert all((PAGE.parent / src).is_file() for src in sources)
