"""The report's plots, each as SVG and as PNG."""

import matplotlib

matplotlib.use("Agg")  # before pyplot is imported
from load import answers
from matplotlib import pyplot

NAMES = [
    "latency-against-offered-load",
    "throughput-against-connections",
    "throughput-against-clients",
    "crowd-against-offered-load",
]


def _save(figure, output, name):
    figure.tight_layout()
    for suffix in ("svg", "png"):
        figure.savefig(output / f"{name}.{suffix}", dpi=150)
    pyplot.close(figure)


def _offered(report):
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for number, (name, server) in enumerate(report["servers"].items()):
        results = [result for result in server["offered"] if answers(result)["count"]]
        rates = [result["rate_per_second"] for result in results]
        for key, style in (("p50_ms", "--"), ("p99_ms", "-")):
            axes.plot(
                rates,
                [answers(result)[key] for result in results],
                style,
                marker="o",
                color=f"C{number}",
                label=f"{name}, {key.removesuffix('_ms')}",
            )
    axes.set_title("add-version, open loop: latency of accepted requests")
    axes.set_xlabel("offered load, requests/s")
    axes.set_xscale("log")
    axes.set_ylabel("latency from the due time, ms")
    axes.set_yscale("log")
    return figure, axes


def _connections(report):
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    series = {}
    for name, server in report["servers"].items():
        for result in server["closed"]:
            if result["load"] in ("add-version", "get-child-404"):
                series.setdefault(f"{name}, {result['load']}", []).append(result)
    if "nginx" in report:
        series["nginx, fixed 404"] = report["nginx"]
    for label, results in series.items():
        axes.plot(
            [result["connections"] for result in results],
            [answers(result)["per_second"] for result in results],
            marker="o",
            label=label,
        )
    axes.set_title("closed loop: throughput")
    axes.set_xlabel("connections")
    axes.set_xscale("log", base=2)
    axes.set_ylabel("requests/s")
    axes.set_yscale("log")
    return figure, axes


def _clients(report):
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name, server in report["servers"].items():
        levels = server["populations"]
        for index, result in enumerate(levels[0]["loads"]):
            axes.plot(
                [level["population"] for level in levels],
                [answers(level["loads"][index])["per_second"] for level in levels],
                marker="o",
                label=f"{name}, {result['load']}",
            )
    axes.set_title("throughput")
    axes.set_xlabel("clients in the directory")
    axes.set_xscale("log")
    axes.set_ylabel("requests/s")
    axes.set_yscale("log")
    return figure, axes


def _crowd(report):
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for number, level in enumerate(report["crowd"]):
        rates = [result["rate_per_second"] for result in level["loads"]]
        name = f"connections-max {level['connections_max'] or 'default'}"
        for kind, style in (("added", "-"), ("refused", "--"), ("lost", ":")):
            axes.plot(
                rates,
                [answers(result, kind)["per_second"] for result in level["loads"]],
                style,
                marker="o",
                color=f"C{number}",
                label=f"{name}, {kind}",
            )
    axes.set_title("add-version, open loop, a connection for each request")
    axes.set_xlabel("offered load, requests/s")
    axes.set_ylabel("requests/s")
    return figure, axes


def draw(report, output):
    for name, make in zip(NAMES, (_offered, _connections, _clients, _crowd), strict=True):
        figure, axes = make(report)
        axes.grid(True, alpha=0.3)
        axes.legend(fontsize="small")
        _save(figure, output, name)
