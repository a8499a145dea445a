"""The demo in a real browser: what is played, broken, edited, predicted, shared and saved there.

Needs Chromium: ``apt-get install chromium``, ``brew install --cask chromium`` or the like.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import find as find_browser
from tests.e2e.demo_page import LIMIT_MS, DemoPage, chromium, demo
from tests.heavy import needs

BINARY = find_browser()
pytestmark = needs("Chromium", there=BINARY is not None, get="apt-get install chromium")
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with demo() as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert BINARY is not None, "there is no Chromium; apt-get install chromium"
    with chromium(BINARY) as found:
        yield found


@pytest.fixture
def shown(browser: Browser, address: str) -> Iterator[DemoPage]:
    """The page with its first scenario; in the end, nothing may have been complained about."""
    page = DemoPage(browser)
    page.open(address)
    yield page
    assert page.complaints == []
    page.close()


def test_a_run_plays_to_its_end(shown: DemoPage) -> None:
    """Webhooks travel, the set fills, the outcome falls, the verdict stands below."""
    shown.page.select_option("#speed", "8")
    shown.page.click("#play")

    shown.expect_text("#play", "Pause")
    expect(shown.page.locator("#play")).to_contain_text("Play", timeout=LIMIT_MS)
    shown.expect_text(".caption", "The watch ends")
    shown.expect_text(".scene .count", "3/3")
    shown.expect_text(".scene .outcome", "completed")
    shown.expect_text("#validity", "VALID")


def test_a_step_leads_to_the_next_event_and_back(shown: DemoPage) -> None:
    """Every event is a step, in both directions."""
    shown.press(*["ArrowRight"] * 4)
    shown.expect_text(".caption", "1 of 3 have arrived")
    shown.expect_text(".scene .count", "1/3")

    shown.press("ArrowLeft")

    shown.expect_text(".caption", "northeurope sends its webhook")
    shown.expect_text(".scene .count", "0/3")


def test_nothing_waits_before_the_first_webhook_is_there(shown: DemoPage) -> None:
    """The timer runs from the first arrival, not from the start of the scenario."""
    shown.press("ArrowRight", "ArrowRight", "ArrowRight")
    shown.expect_text(".caption", "northeurope sends its webhook")
    assert shown.page.locator(".scene .outcome").text_content() == ""
    shown.expect_text(".scene .left", "timeout 2m")

    shown.press("ArrowRight")

    shown.expect_text(".scene .outcome", "waiting")


def test_a_dropped_webhook_times_out(shown: DemoPage) -> None:
    """A click writes the fault into the YAML; the past stays, the future is another one."""
    shown.press(*["ArrowRight"] * 4)
    before = shown.page.locator(".caption").inner_text()
    loaded = shown.loaded

    shown.page.click('[data-pick="region:eastus"]')
    shown.page.click("text=Drop it")
    shown.wait_for_another(loaded)

    assert shown.page.locator(".caption").inner_text() == before
    shown.expect_text(".verdict-panel", "timed_out at +2m00.001s")
    shown.expect_text("#validity", "VALID")
    assert "- {fault: drop, region: eastus, operation: op1}" in shown.page.input_value("#yaml")
    shown.press("End")
    shown.expect_text(".scene .outcome", "timed_out")


def test_a_change_can_be_undone_and_done_again(shown: DemoPage) -> None:
    """Undo plays the text before, redo the text after."""
    text, trace = shown.page.input_value("#yaml"), shown.trace
    shown.change("d")
    changed, changed_trace, loaded = shown.page.input_value("#yaml"), shown.trace, shown.loaded

    shown.page.click("#undo")
    shown.wait_for_another(loaded)
    loaded = shown.loaded
    assert (shown.page.input_value("#yaml"), shown.trace) == (text, trace)

    shown.page.click("#redo")
    shown.wait_for_another(loaded)
    assert (shown.page.input_value("#yaml"), shown.trace) == (changed, changed_trace)


def test_a_killed_aggregator_comes_back_and_completes(shown: DemoPage) -> None:
    """A kill now: it is down, what it had stored is there, and the outcome is the same."""
    shown.press(*["ArrowRight"] * 6)

    shown.change("k")
    shown.press("ArrowRight", "ArrowRight")

    shown.expect_text(".caption", "is killed (kill -9)")
    shown.expect_text(".scene .pick .name >> nth=-2", "kill -9")
    shown.expect_text(".stored", "It is down")
    shown.expect_text(".verdict-panel", "completed at")
    shown.expect_text("#validity", "VALID")


def test_everything_can_be_broken_from_the_keyboard(shown: DemoPage) -> None:
    """Enter opens the menu of what is focused; a duration of one's own is taken; the focus stays."""
    shown.press(*["ArrowRight"] * 4)
    shown.page.focus('[data-pick="aggregator:"]')
    shown.press("Enter")
    shown.page.fill('.menu [aria-label="For so long"]', "42s")
    shown.change("Enter")

    assert "down_for: 42s" in shown.page.input_value("#yaml")
    expect(shown.page.locator('[data-pick="aggregator:"]')).to_be_focused()


def test_a_wrong_edit_is_marked_at_its_line_and_a_right_one_is_played(shown: DemoPage) -> None:
    """The loader's own message, and the run as it was until the text is right again."""
    text, loaded = shown.page.input_value("#yaml"), shown.loaded

    shown.page.fill("#yaml", text.replace("operations:", "operatons:"))
    shown.expect_text("#problems", "operatons")
    shown.expect_text("#problems", "line 8")
    expect(shown.page.locator(".gutter .wrong")).to_have_text("✗ 8")
    assert shown.loaded == loaded

    shown.page.fill("#yaml", text.replace("eastus: 119s", "eastus: 5s").replace("at: 119s", "at: 5s"))
    shown.wait_for_another(loaded)
    expect(shown.page.locator("#problems li")).to_have_count(0)
    shown.expect_text(".verdict-panel", "completed at +5.002s")


def test_fields_are_offered_from_the_schema(shown: DemoPage) -> None:
    """Typing ``fault: cra`` offers ``crash``; Enter takes it."""
    shown.page.fill("#yaml", shown.page.input_value("#yaml") + "faults:\n  - {fault: cra")

    shown.page.focus("#yaml")
    shown.press("Control+End", "Control+Space")
    shown.expect_text(".offers", "crash")
    shown.press("Enter")

    assert shown.page.input_value("#yaml").endswith("{fault: crash")


def test_the_aggregator_of_the_zoo_is_found_out(shown: DemoPage) -> None:
    """A bug plays the scenario that shows it; its finding points into the stage, its lines stand beside."""
    shown.select("#target", "bug:counts-deliveries")

    shown.expect_text("#validity", "INVALID")
    shown.expect_text(".finding >> nth=0", "clause")
    shown.expect_text(".source .wrong >> nth=0", "_UnseenArrival")
    assert shown.page.locator(".timeline .deciding").count() >= 1
    shown.page.click(".finding .evidence button >> nth=0")
    expect(shown.page.locator(".caption .clock")).not_to_have_text("+0s")


def test_a_learner_predicts_and_is_told_why(shown: DemoPage) -> None:
    """The verdict is hidden while the stage asks; then it plays on and explains."""
    shown.press("p")
    expect(shown.page.locator(".verdict-panel")).to_be_hidden()
    for choice in ("completed", "+1m59s", "none at all"):
        shown.page.check(f'.predict label:has-text("{choice}") input')

    shown.page.click("#reveal")

    shown.expect_text(".predict h2", "2 of 3 right")
    shown.expect_text(".predict", "All 3 of 3 arrived before the deadline")
    expect(shown.page.locator(".verdict-panel")).to_be_visible()


def test_the_orchestration_is_replayed_beside_the_stage(shown: DemoPage) -> None:
    """At the last webhook, the first await is satisfied by a new event, and the second one stops the code."""
    shown.page.click("#tab-replay")
    shown.press(*["ArrowRight"] * 10)

    shown.expect_text(".replay h3", "Replay 3 of 5, at +1m59.003s")
    shown.expect_text(".awaits .fresh", "by a new event")
    shown.expect_text(".awaits .stopped", "FirePushNotification")
    expect(shown.page.locator(".listing .stopped")).to_have_count(1)
    expect(shown.page.locator(".history .new")).to_have_count(2)


def test_a_link_leads_to_scenario_seed_and_event(browser: Browser, shown: DemoPage) -> None:
    """It opens the same run at the same event, changed text included."""
    shown.page.fill("#seed", "7")
    shown.press("Tab")
    expect(shown.page.locator(".replay-line")).to_contain_text("seed 7", timeout=LIMIT_MS)
    shown.page.locator("h1").click()
    shown.change("d")
    shown.press(*["ArrowRight"] * 5)
    shown.page.click("#share")
    shown.expect_text(".toast", "link")

    other = DemoPage(browser)
    other.open(shown.page.url)

    assert other.trace == shown.trace
    assert other.page.input_value("#yaml") == shown.page.input_value("#yaml")
    assert other.page.locator(".caption").inner_text() == shown.page.locator(".caption").inner_text()
    assert other.complaints == []
    other.close()


def test_a_saved_page_plays_from_disk(browser: Browser, shown: DemoPage, tmp_path: Path) -> None:
    """One file, no server: it plays, steps and explains; it cannot edit."""
    with shown.page.expect_download() as saving:
        shown.page.click("#save")
    file = tmp_path / saving.value.suggested_filename
    saving.value.save_as(file)

    saved = DemoPage(browser, offline=True)
    saved.open(file.as_uri())
    saved.press("End")

    saved.expect_text(".scene .outcome", "completed")
    saved.expect_text("#validity", "VALID")
    assert saved.page.locator("#save").count() == 0
    assert saved.complaints == []
    saved.close()


def test_a_bug_and_a_right_aggregator_play_side_by_side(browser: Browser, tmp_path: Path) -> None:
    """One file from disk with two players, each with its own verdict."""
    # In a process of its own: here, Playwright's event loop runs.
    words = [
        sys.executable,
        "-m",
        "fanin.harness",
        "bug",
        "counts-deliveries",
        "-q",
        "--report",
        str(tmp_path),
    ]
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - our own command

    saved = DemoPage(browser, offline=True)
    saved.page.goto((tmp_path / "bug.html").as_uri())

    for nth, (verdict, outcome) in enumerate([("INVALID", "completed"), ("VALID", "timed_out")]):
        frame = saved.page.frame_locator(f"iframe >> nth={nth}")
        expect(frame.locator("#validity")).to_have_text(verdict)
        frame.locator("#to-end").click()
        expect(frame.locator(".scene .outcome")).to_have_text(outcome)
    assert saved.complaints == []
    saved.close()


def test_every_key_is_shown_and_the_lecture_has_stage_and_caption_only(shown: DemoPage) -> None:
    """``?`` lists the keys; in lecture mode the YAML and the panels are gone."""
    shown.press("?")
    shown.expect_text("dialog", "drop the next delivery")
    shown.press("Escape")
    expect(shown.page.locator("dialog")).to_be_hidden()

    shown.press("l")

    expect(shown.page.locator("#yaml")).to_be_hidden()
    expect(shown.page.locator(".scene")).to_be_visible()
    expect(shown.page.locator(".caption")).to_be_visible()
    shown.press("l")
    expect(shown.page.locator("#yaml")).to_be_visible()


def test_a_key_right_after_a_dialog_was_closed_is_for_the_page(shown: DemoPage) -> None:
    """For a frame, the browser leaves the focus in a dialog that is closed: the key is sent in that frame."""
    shown.press("?")
    shown.expect_text("dialog", "drop the next delivery")

    lectured = shown.page.evaluate("""() => {
        document.querySelector("dialog.help").close();
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "l", bubbles: true }));
        return document.body.classList.contains("lecture");
    }""")

    assert lectured


def test_a_key_right_after_the_menu_was_closed_is_for_the_page(shown: DemoPage) -> None:
    """What opened the menu may be gone from the page; the focus stays in the menu for a frame then."""
    shown.page.locator(".scene [role=button]").first.click()
    expect(shown.page.locator(".menu")).to_be_visible()

    lectured = shown.page.evaluate("""() => {
        const menu = document.querySelector(".menu"), focused = menu.querySelector("button");
        menu.hidden = true;
        focused.dispatchEvent(new KeyboardEvent("keydown", { key: "l", bubbles: true }));
        return document.body.classList.contains("lecture");
    }""")

    assert lectured


def test_where_motion_is_unwanted_play_goes_from_event_to_event(browser: Browser, address: str) -> None:
    """With ``prefers-reduced-motion``, nothing glides."""
    page = DemoPage(browser, reduced_motion="reduce")
    page.open(address)
    page.page.click("#play")

    page.expect_text(".caption", "is pushed")

    assert page.page.evaluate("fanin.player.clock.positions.includes(fanin.player.position)")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_checker_of_accessibility_finds_nothing_of_weight(
    browser: Browser, address: str, scheme: str
) -> None:
    """axe-core, in every state of the page: roles, names, order, contrast."""
    page = DemoPage(browser, color_scheme=scheme, reduced_motion="reduce")
    page.open(address)
    page.press(*["ArrowRight"] * 6)
    found = page.accessibility_findings("a step")
    page.page.click("summary >> text=events")
    for tab in ("scenario", "lessons", "replay", "source"):
        page.page.click(f"#tab-{tab}")
        found += page.accessibility_findings(tab)
    page.page.click('[data-pick="sink:"] >> text=sink >> nth=-1')
    found += page.accessibility_findings("a menu")
    page.press("Escape")
    page.select("#target", "bug:counts-deliveries")
    found += page.accessibility_findings("a finding")
    page.page.locator("h1").click()
    page.press("p")
    found += page.accessibility_findings("a question")
    page.press("l")
    found += page.accessibility_findings("a lecture")

    assert found == []
    page.close()


def test_nothing_sticks_out_on_a_phone(browser: Browser, address: str) -> None:
    """The page itself never scrolls sideways."""
    page = DemoPage(browser, **PHONE)
    page.open(address)

    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.complaints == []
    page.close()
