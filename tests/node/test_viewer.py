"""The viewer: made from OHIF's package, served below /orthogen/ohif/, showing a job's series side by side."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from plugin.settings import Settings, viewer_folder
from plugin.viewer.serve import is_there
from plugin.viewer.unpack import ADD_SLASH, NotTheViewer, place, relative_page, unpack
from tests.node.a_browser import MISSING, ABrowser
from tests.node.a_node import CT_RULE, ANode, storescu, until

OHIF = "/orthogen/ohif"
INSTALLED = viewer_folder(Settings())


def test_only_the_package_that_is_known_is_unpacked(tmp_path: Path) -> None:
    package = tmp_path / "ohif-app.tgz"
    package.write_bytes(b"another version")
    with pytest.raises(NotTheViewer, match="SHA-256"):
        unpack(package, tmp_path / "viewer")
    assert not (tmp_path / "viewer").exists()


@pytest.mark.parametrize(
    ("member", "kept"),
    [
        ("package/dist/index.html", "index.html"),
        ("package/dist/89.bundle.b327bf.js", "89.bundle.b327bf.js"),
        ("package/LICENSE", "LICENSE"),
        ("package/dist/89.bundle.b327bf.js.map", None),
        ("package/dist/ort/ort-wasm.wasm", None),
        ("package/dist/sw.js", None),
        ("package/dist/app-config.js", None),
        ("package/dist/../../outside.js", None),
        ("/etc/passwd", None),
        ("package/src/index.js", None),
    ],
)
def test_what_is_not_needed_or_not_the_viewer_is_left_out(member: str, kept: str | None) -> None:
    assert place(member) == kept


def test_the_page_names_only_files_beside_it() -> None:
    page = (
        '<head><link rel="manifest" href="/manifest.json"><link rel="apple-touch-icon" href="/assets/a.png">'
        '<script rel="preload" src="/init-service-worker.js"></script><script defer src="/app.js"></script>'
        '<script>window.PUBLIC_URL="/"</script></head>'
    )
    made = relative_page(page).replace(ADD_SLASH, "")
    assert '"/' not in made
    assert 'src="./app.js"' in made
    assert "manifest.json" not in made
    assert "service-worker" not in made


def test_the_viewers_files_are_served_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "viewer"
    (folder / "assets").mkdir(parents=True)
    (tmp_path / "secret.js").write_text("secret")
    with ANode(tmp_path / "storage", {"Workers": 0, "ViewerFolder": str(folder)}) as node:
        absent = node.request("GET", f"{OHIF}/")
        assert absent.status == 404
        assert "make viewer" in absent.json()["remedy"]
        (folder / "index.html").write_text("<html>the viewer</html>")
        (folder / "app.bundle.js").write_text("let viewer")
        for page in ("", "/", "/viewer?StudyInstanceUIDs=1.2"):
            answer = node.request("GET", OHIF + page)
            assert (answer.status, answer.data) == (200, b"<html>the viewer</html>")
            assert answer.headers["Content-Type"].startswith("text/html")
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        script = node.request("GET", f"{OHIF}/app.bundle.js")
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert b"@orthogen/compare" in node.request("GET", f"{OHIF}/app-config.js").data
        for outside in ("/../secret.js", "/%2e%2e/secret.js", "/none.js"):
            answer = node.request("GET", OHIF + outside)
            assert answer.status == 404
            assert b"secret" not in answer.data.replace(b"secret.js", b"")


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
@pytest.mark.skipif(not is_there(INSTALLED), reason="the viewer is not installed; `make viewer` does")
def test_original_result_and_difference_are_side_by_side_and_the_made_ones_are_marked(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    rule = {**CT_RULE, "Companions": ["difference"]}
    with ANode(tmp_path / "storage", {"Rules": [rule]}) as node, ABrowser(width=1600) as browser:
        storescu(ct_files[:4], node.dicom_port)
        (job,) = node.ended_jobs(1)
        page = node.request("GET", f"/orthogen/ui/job?id={job['id']}").data.decode()
        found = re.search(r'href="([^"]+)" id="viewer"', page)
        assert found
        browser.open(f"{node.url}/orthogen/ui/{html.unescape(found[1])}")
        until(lambda: browser.count("canvas.cornerstone-canvas") == 3, "three pictures", 180)

        def marks() -> bool:
            text = str(browser.run("return document.body.innerText"))
            return text.count("AI RESULT") == 2

        until(marks, "the marks of result and difference", 60)
        failures = [each for each in browser.complaints() if "404" in each or "Uncaught" in each]
        assert failures == []
