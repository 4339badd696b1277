"""A backend's profile over HTTP, in the folded format that flame graphs are drawn from."""

from testbed.counterparts.server import Reply, Request

_STACKS = """\
main;serve;predict;features.load;redis.get 182
main;serve;predict;features.load;postgres.query 411
main;serve;predict;model.score;xgboost.predict 903
main;serve;predict;model.score;json.dumps 57
main;gc.collect 31
"""


class Profiler:
    """`GET /debug/pprof/profile`."""

    def answer(self, request: Request) -> Reply | None:
        """See `Counterpart`."""
        if request.path != "/debug/pprof/profile":
            return None
        if request.method != "GET":
            return Reply(405)
        return Reply(200, _STACKS.encode(), "text/plain; charset=utf-8")
