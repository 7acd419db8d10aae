// Formats the two reports, and makes a server's texts safe to print in them.
#include "load/report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tcsync::load {
namespace {

double Milliseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }

// A string in JSON. Bytes that are not ASCII are replaced: a broken server's answer need not be
// UTF-8, and JSON must be.
std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", absl::string_view(&c, 1));
    } else if (c >= ' ' && c <= '~') {
      quoted.push_back(c);
    } else {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned char>(c));
    }
  }
  quoted.push_back('"');
  return quoted;
}

// Keeps a server's answer from sending escape sequences to a terminal.
std::string Printable(absl::string_view text) {
  std::string printable(text);
  for (char& c : printable) {
    if (c < ' ' || c > '~') c = '?';
  }
  return printable;
}

}  // namespace

std::string HumanReport(const RunDescription& run, const Results& results) {
  std::string text =
      absl::StrFormat("%s on %s: %d connections", run.load, run.url, run.connections);
  if (run.connection_per_request) absl::StrAppend(&text, " at a time, one per request");
  if (run.clients > 0) absl::StrAppendFormat(&text, ", %d clients", run.clients);
  if (run.population > 0) absl::StrAppendFormat(&text, ", a population of %d", run.population);
  if (run.chain > 0) absl::StrAppendFormat(&text, ", chains of %d versions", run.chain);
  absl::StrAppendFormat(&text, ", segments of %d bytes, ", run.segment_bytes);
  if (run.rate > 0) {
    absl::StrAppendFormat(&text, "%g requests/s scheduled", run.rate);
  } else {
    absl::StrAppend(&text, "closed loop");
  }
  absl::StrAppendFormat(&text, ", %g s after %g s of warm-up\n", run.seconds, run.warmup_seconds);

  absl::StrAppendFormat(&text, "%-12s %10s %12s %10s %10s %10s %10s\n", "outcome", "count",
                        "per second", "p50 ms", "p99 ms", "p999 ms", "max ms");
  for (const Outcome outcome : kOutcomes) {
    const Histogram& latency = results.Latency(outcome);
    if (latency.count() == 0) continue;
    absl::StrAppendFormat(
        &text, "%-12s %10d %12.1f %10.3f %10.3f %10.3f %10.3f\n", OutcomeName(outcome),
        results.Count(outcome), static_cast<double>(results.Count(outcome)) / run.seconds,
        Milliseconds(latency.ValueAtQuantile(0.5)), Milliseconds(latency.ValueAtQuantile(0.99)),
        Milliseconds(latency.ValueAtQuantile(0.999)), Milliseconds(latency.max()));
  }
  absl::StrAppendFormat(&text, "faults %d, reconnects %d, load program %.2f cores\n",
                        results.fault_count(), results.reconnects(), run.own_cores);
  if (results.unsent() > 0) {
    absl::StrAppendFormat(&text,
                          "%d scheduled requests were never sent: the server did not keep up, and "
                          "the latencies above are too low\n",
                          results.unsent());
  }
  for (const std::string& fault : results.first_faults()) {
    absl::StrAppend(&text, "fault: ", Printable(fault), "\n");
  }
  if (results.fault_count() > results.first_faults().size()) {
    absl::StrAppendFormat(&text, "… and %d more\n",
                          results.fault_count() - results.first_faults().size());
  }
  return text;
}

std::string JsonReport(const RunDescription& run, const Results& results) {
  std::string json = absl::StrFormat(
      "{\"load\": %s, \"url\": %s, \"connections\": %d, \"connection_per_request\": %s, "
      "\"clients\": %d, \"population\": %d, \"threads\": %d, "
      "\"segment_bytes\": %d, \"chain\": %d, \"rate_per_second\": %g, \"seconds\": %g, "
      "\"warmup_seconds\": %g, \"own_cores\": %.3f, \"answers\": {",
      Quoted(run.load), Quoted(run.url), run.connections,
      run.connection_per_request ? "true" : "false", run.clients, run.population, run.threads,
      run.segment_bytes, run.chain, run.rate, run.seconds, run.warmup_seconds, run.own_cores);
  absl::string_view separator = "";
  for (const Outcome outcome : kOutcomes) {
    const Histogram& latency = results.Latency(outcome);
    if (latency.count() == 0) continue;
    absl::StrAppendFormat(
        &json,
        "%s%s: {\"count\": %d, \"per_second\": %.1f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, "
        "\"p999_ms\": %.4f, \"max_ms\": %.4f}",
        separator, Quoted(OutcomeName(outcome)), results.Count(outcome),
        static_cast<double>(results.Count(outcome)) / run.seconds,
        Milliseconds(latency.ValueAtQuantile(0.5)), Milliseconds(latency.ValueAtQuantile(0.99)),
        Milliseconds(latency.ValueAtQuantile(0.999)), Milliseconds(latency.max()));
    separator = ", ";
  }
  absl::StrAppendFormat(&json, "}, \"faults\": %d, \"reconnects\": %d, \"unsent\": %d, ",
                        results.fault_count(), results.reconnects(), results.unsent());
  absl::StrAppend(&json, "\"first_faults\": [");
  separator = "";
  for (const std::string& fault : results.first_faults()) {
    absl::StrAppend(&json, separator, Quoted(fault));
    separator = ", ";
  }
  absl::StrAppend(&json, "]}\n");
  return json;
}

}  // namespace tcsync::load
