"""The report as Markdown: tables that can be pasted into docs/performance.md as they are."""

import re

from load import answers


def _table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def _rate(value):
    return f"{value:,.0f}"


def _name(benchmark):
    return benchmark["name"].removesuffix("/real_time")


def _parameters(name):
    """engine_append/segment:64/writers:1/clients:own -> ("engine_append", {"segment": "64", ...})"""
    kind, *rest = name.split("/")
    return kind, dict(part.split(":", 1) for part in rest if ":" in part)


def _machine(report):
    found = report["machine"]
    sync = found["fdatasync_1k"]
    text = (
        f"{found['processor']}, {found['cores']} cores, {found['memory_mib']:,} MiB, "
        f"{found['system']}, {found['filesystem']}. Appending 1 KiB to a file and syncing it takes "
        f"{sync['p50_us']:.0f} µs (p99 {sync['p99_us']:.0f} µs). Load average before "
        f"{found['load_average_before']}, after {found['load_average_after']}. "
        f"{report['seconds']:g} s per measurement."
    )
    if report["quick"]:
        text += "\n\n**A quick run: it shows that everything works, and nothing else.**"
    return text


def write_path_ratios(benchmarks):
    """engine_append beside the layers below it: one row for each segment size and number of
    writers."""
    engine, raw, append = {}, {}, {}
    for benchmark in benchmarks:
        kind, parameters = _parameters(_name(benchmark))
        size = int(parameters["segment"])
        if kind == "engine_append" and parameters["clients"] == "own":
            engine[size, int(parameters["writers"])] = benchmark
        elif kind == "raw_rocksdb" and parameters["sync"] == "1":
            raw[size, int(parameters["writers"])] = benchmark
        elif kind == "raw_append_fdatasync":
            append[size] = benchmark
    rows = []
    for (size, writers), benchmark in sorted(engine.items()):
        row = {
            "segment_bytes": size,
            "writers": writers,
            "per_second": benchmark["items_per_second"],
            "p50_us": benchmark["p50_us"],
            "p99_us": benchmark["p99_us"],
            "batch_mean": benchmark["batch_mean"],
            "of_raw_rocksdb": None,
            "fdatasyncs": None,
        }
        if (size, writers) in raw:
            row["of_raw_rocksdb"] = benchmark["items_per_second"] / raw[size, writers]["items_per_second"]
        if writers == 1 and size in append:
            row["fdatasyncs"] = benchmark["p50_us"] / append[size]["p50_us"]
        rows.append(row)
    return rows


def _micro(report):
    parts = []
    ratios = write_path_ratios(report["micro"]["write-path"])
    parts.append(
        "### Engine without HTTP: writes\n\n"
        + _table(
            [
                "segment bytes",
                "writers",
                "versions/s",
                "p50 µs",
                "p99 µs",
                "versions per sync",
                "of raw RocksDB",
                "in syncs of the same size",
            ],
            [
                [
                    row["segment_bytes"],
                    row["writers"],
                    _rate(row["per_second"]),
                    f"{row['p50_us']:.0f}",
                    f"{row['p99_us']:.0f}",
                    f"{row['batch_mean']:.1f}",
                    "" if row["of_raw_rocksdb"] is None else f"{row['of_raw_rocksdb']:.0%}",
                    "" if row["fdatasyncs"] is None else f"{row['fdatasyncs']:.2f}",
                ]
                for row in ratios
            ],
        )
    )
    for program, title in (
        ("read-path", "Engine without HTTP: reads"),
        ("http", "HTTP without a disk"),
        ("crypto", "A replica's cryptography"),
    ):
        rows = []
        for benchmark in report["micro"][program]:
            scale = {"ns": 1e-3, "us": 1, "ms": 1e3}[benchmark["time_unit"]]
            p99 = benchmark.get("p99_us")
            rows.append(
                [
                    re.sub(r"/iterations:\d+", "", _name(benchmark)),
                    f"{benchmark['real_time'] * scale:,.2f}",
                    "" if p99 is None else f"{p99:,.2f}",
                ]
            )
        parts.append(f"### {title}\n\n" + _table(["benchmark", "mean µs", "p99 µs"], rows))
    return parts


def _closed(report):
    found = report["servers"]
    rows = []
    for index, result in enumerate(found["tcsync"]["closed"]):
        row = [result["load"], result["connections"]]
        for server in found.values():
            wanted = answers(server["closed"][index])
            row += [_rate(wanted["per_second"]), f"{wanted['p99_ms']:.2f}"]
        if "reference" in found:
            theirs = answers(found["reference"]["closed"][index])["per_second"]
            row.append(f"{answers(result)['per_second'] / theirs:.1f}" if theirs else "")
        rows.append(row)
    heads = ["load", "connections"]
    for name in found:
        heads += [f"{name} /s", "p99 ms"]
    return "### Whole servers, closed loop\n\n" + _table(
        heads + (["times the reference"] if "reference" in found else []), rows
    )


def _offered(report):
    rows = []
    for name, server in report["servers"].items():
        for result in server["offered"]:
            added, refused = answers(result), answers(result, "refused")
            rows.append(
                [
                    name,
                    _rate(result["rate_per_second"]),
                    _rate(added["per_second"]),
                    f"{added['p50_ms']:.2f}",
                    f"{added['p99_ms']:.2f}",
                    _rate(refused["per_second"]),
                    f"{refused['p99_ms']:.2f}",
                    _rate(result["unsent"] / result["seconds"]),
                ]
            )
    return (
        "### Open loop: add-version at a fixed rate\n\nLatency counts from the time at which a "
        "request was due. Requests that were never sent had no connection free in time: then the true "
        "latencies are higher than those shown.\n\n"
        + _table(
            ["server", "offered/s", "added/s", "p50 ms", "p99 ms", "refused/s", "refused p99 ms", "never sent/s"], rows
        )
    )


def _crowd(report):
    rows = []
    for level in report["crowd"]:
        for result in level["loads"]:
            added, refused, lost = (answers(result, kind) for kind in ("added", "refused", "lost"))
            rows.append(
                [
                    level["connections_max"] or "default",
                    _rate(result["rate_per_second"]),
                    _rate(added["per_second"]),
                    f"{added['p50_ms']:.2f}",
                    f"{added['p99_ms']:.2f}",
                    _rate(refused["per_second"]),
                    _rate(lost["per_second"]),
                    _rate(result["unsent"] / result["seconds"]),
                ]
            )
    return (
        "### A crowd: add-version at a fixed rate, a connection for each request\n\nRefused: 503 "
        "with Retry-After. Lost: closed without an answer. Never sent: as many connections were "
        "under way as the load program may have.\n\n"
        + _table(
            ["connections-max", "offered/s", "added/s", "p50 ms", "p99 ms", "refused/s", "lost/s", "never sent/s"], rows
        )
    )


def _populations(report):
    rows = []
    for name, server in report["servers"].items():
        for level in server["populations"]:
            for result in level["loads"]:
                wanted = answers(result)
                rows.append(
                    [
                        name,
                        f"{level['population']:,}",
                        result["load"],
                        result["connections"],
                        _rate(wanted["per_second"]),
                        f"{wanted['p99_ms']:.2f}",
                    ]
                )
    return "### Clients in the directory\n\n" + _table(
        ["server", "clients", "load", "connections", "per second", "p99 ms"], rows
    )


def _memory(report):
    def mib(value):
        return "unknown" if value is None else f"{value:.1f}"

    rows = []
    for name, server in report["servers"].items():
        memories = [server[theme + "_memory"] for theme in ("closed", "offered", "populations")]
        rows.append(
            [
                name,
                mib(memories[0]["idle_mib"]),
                *(mib(found["peak_mib"]) for found in memories),
                f"{server['start_seconds_with_clients']:.2f}",
            ]
        )
    return "### Resident memory in MiB, and the start\n\n" + _table(
        [
            "server",
            "idle, empty",
            "peak, closed loop",
            "peak, open loop",
            "peak, many clients",
            "start with the most clients, s",
        ],
        rows,
    )


def write(report):
    parts = ["## Measured", _machine(report), _closed(report)]
    if "nginx" in report:
        parts.append(
            "### nginx with a fixed 404\n\n"
            + _table(
                ["connections", "per second", "p99 ms"],
                [
                    [result["connections"], _rate(answers(result)["per_second"]), f"{answers(result)['p99_ms']:.2f}"]
                    for result in report["nginx"]
                ],
            )
        )
    parts += [_offered(report), _crowd(report), _populations(report), _memory(report)]
    if "micro" in report:
        parts += _micro(report)
    return "\n\n".join(parts) + "\n"
