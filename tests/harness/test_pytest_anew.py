"""The pytest plugin plays an application of the user's modules: each start imports them anew."""

import pytest

# As in the tests of the plugin: what is imported anew inside pytester does not know itself again.
import fanin.aggregator.http.app
import fanin.harness.report.folder
import fanin.harness.world.play  # noqa: F401
from tests.harness.test_pytest_plugin import ARGUMENTS

pytest_plugins = ["pytester"]

FORGETFUL = """
    import asyncio, os
    import httpx
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    SEEN = {}

    async def push(request):
        event, region = await request.json(), request.query_params["region"]
        arrived = SEEN.setdefault(event["id"], set())
        arrived.add(region)
        if len(arrived) == 3:
            target = event["target"]
            body = {"id": event["id"], "outcome": "completed", "arrived": sorted(arrived), "missing": [],
                    "action": event["action"], "repository": target["repository"], "tag": target["tag"],
                    "digest": target["digest"]}
            async with httpx.AsyncClient() as client:
                await client.post(os.environ["NOTIFY_URL"], json=body, headers={"webhook-id": event["id"]})
        return Response(status_code=202)

    app = Starlette(routes=[Route("/api/ImagePush", push, methods=["POST"])])

    def create_app():
        return app
"""


def test_each_start_imports_the_application_anew(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name, as an object of its module, by its factory; a function of a test is what it is."""
    monkeypatch.syspath_prepend(pytester.path)
    pytester.makepyfile(
        forgetful=FORGETFUL,
        test_it="""
        import forgetful
        import pytest

        @pytest.mark.parametrize("app", ["forgetful:app", forgetful.app, forgetful.create_app])
        def test_anew(fanin, app):
            fanin.check("crash-after-ack", app=app)

        def test_as_it_is(fanin):
            fanin.check("crash-after-ack", app=lambda: forgetful.app)

        def test_modules_are_as_before(fanin):
            fanin.check("slow-region", app=forgetful.create_app)
            import forgetful as again
            assert again is forgetful and forgetful.SEEN is not None
        """,
    )

    result = pytester.runpytest(*ARGUMENTS)

    result.assert_outcomes(failed=3, passed=2)
    result.stdout.fnmatch_lines(["*INVALID: 5-acknowledgement*"])
