#include "server/administration/console.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <utility>

#include "server/administration/interruption.h"
#include "server/concat.h"
#include "server/one_line.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

// Characters of UTF-8 text, which (nearly) all take one column of a terminal.
size_t WidthOf(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; });
}

// After a question without consent. A command may ask later than at its beginning.
constexpr char kLeft[] = "nothing more was done";

// An impossible percentage, which differs from the next one.
constexpr int kOtherFigures = 101;

}  // namespace

std::string HumanBytes(uint64_t bytes) {
  if (bytes < 1024) return Concat({std::to_string(bytes), " B"});
  double size = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* const next : {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}) {
    if (size < 1023.5) break;  // more is rounded to 1024
    size /= 1024;
    unit = next;
  }
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), size < 9.95 ? "%.1f %s" : "%.0f %s", size, unit);
  return text.data();
}

std::string HumanAge(int64_t unix_seconds) {
  if (unix_seconds == 0) return "-";
  const int64_t now = std::time(nullptr);
  // Without a sign, because a foreign time may be as long ago as the type allows.
  const uint64_t seconds = unix_seconds > now ? 0 : uint64_t(now) - uint64_t(unix_seconds);
  constexpr uint64_t kMinute = 60;
  constexpr uint64_t kHour = 60 * kMinute;
  constexpr uint64_t kDay = 24 * kHour;
  if (seconds < kMinute) return "now";
  if (seconds < 2 * kHour) return Counted(seconds / kMinute, "minute");
  if (seconds < 2 * kDay) return Counted(seconds / kHour, "hour");
  return Counted(seconds / kDay, "day");
}

std::string HumanTime(int64_t unix_seconds) {
  if (unix_seconds == 0) return "-";
  const std::time_t time = unix_seconds;
  std::tm utc{};
  if (gmtime_r(&time, &utc) == nullptr) return std::to_string(unix_seconds);
  std::array<char, 64> text;
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text.data();
}

std::string HumanDay(int64_t unix_seconds) {
  const std::string time = HumanTime(unix_seconds);
  return time.substr(0, time.find(' '));
}

std::string Counted(uint64_t count, std::string_view thing) {
  return Concat({std::to_string(count), " ", thing, count == 1 ? "" : "s"});
}

void Table::Add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = OneLine(cell);
  rows_.push_back(std::move(cells));
}

void Table::Print() const {
  std::vector<size_t> widths;
  for (const Column& column : columns_) widths.push_back(WidthOf(column.heading));
  for (const std::vector<std::string>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], WidthOf(row[i]));
  }
  const auto print = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - WidthOf(cells[i]), ' ');
      if (i > 0) line += "  ";
      line += columns_[i].is_number ? padding + cells[i] : cells[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  };
  std::vector<std::string> headings;
  for (const Column& column : columns_) headings.push_back(column.heading);
  print(headings);
  for (const std::vector<std::string>& row : rows_) print(row);
}

ProgressLine::ProgressLine(std::string_view what) : what_(what), is_shown_(isatty(STDERR_FILENO)) {}

ProgressLine::~ProgressLine() {
  if (last_percent_ >= 0) std::fputs("\r\033[K", stderr);
}

void ProgressLine::SetWhat(std::string_view what) {
  if (what_ == what) return;
  what_ = std::string(what);
  // The next figures concern other work, even if they are the same.
  if (last_percent_ >= 0) last_percent_ = kOtherFigures;
}

void ProgressLine::Show(uint64_t done, uint64_t total) {
  if (!is_shown_) return;
  constexpr int kWidth = 30;
  const double share =
      total == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const int percent = static_cast<int>(share * 100);
  if (total != 0 && percent == last_percent_) return;
  last_percent_ = percent;
  if (total == 0 && done == 0) {
    std::fprintf(stderr, "\r\033[K%s ...", what_.c_str());
  } else if (total == 0) {
    std::fprintf(stderr, "\r\033[K%s: %" PRIu64, what_.c_str(), done);
  } else {
    const std::string bar(static_cast<size_t>(share * kWidth), '#');
    std::fprintf(stderr, "\r\033[K%s [%-*s] %3d %%", what_.c_str(), kWidth, bar.c_str(), percent);
  }
  std::fflush(stderr);
}

void FlushOutput() {
  // A block that is larger than the buffer is written at once, and its error stays in the stream.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw Failure(kExitFailure, "cannot write the output");
  }
}

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) throw Failure(kExitFailure, Concat({path, ": ", error.message()}));
  return absolute.lexically_normal().string();
}

void Confirm(const AdminArguments& arguments, std::string_view question) {
  if (arguments.Has("yes")) return;
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) {
    throw Failure(kExitUsage,
                  Concat({question, " There is no terminal to ask on: confirm with --yes"}));
  }
  std::fprintf(stderr, "%s [y/N] ", OneLine(question).c_str());
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != "y" && answer != "Y" && answer != "yes") {
    EndIfInterrupted(kLeft);
    throw Failure(kExitFailure, Concat({"not confirmed: ", kLeft}));
  }
}

}  // namespace tcsync::server
