#include "server/environment_check.h"

#include <algorithm>
#include <cctype>

#include "server/concat.h"

namespace tcsync::server {
namespace {

constexpr std::string_view kPrefix = "TCSYNC_";
constexpr size_t kLettersWrongMax = 2;

// In capital letters, and without the underscores: TCSYNC_LogLevel becomes TCSYNCLOGLEVEL.
std::string Plain(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c != '_' && c != '-') {
      plain += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
  }
  return plain;
}

// The number of letters to change, add, remove or swap with the next one (the "optimal string
// alignment" distance).
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last;
  std::vector<size_t> last(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::vector<size_t> row(b.size() + 1);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = std::move(last);
    last = std::move(row);
  }
  return last[b.size()];
}

}  // namespace

std::string MeantVariable(std::string_view name, const std::vector<OptionVariable>& variables) {
  const std::string given = Plain(name);
  const std::string prefix = Plain(kPrefix);
  std::string nearest;
  size_t least = kLettersWrongMax + 1;
  for (const OptionVariable& variable : variables) {
    // Some variables have the reference server's names; a user of the other variables expects their
    // option's name with the prefix.
    for (const std::string& form : {Plain(variable.variable), prefix + Plain(variable.variable),
                                    prefix + Plain(variable.option)}) {
      // At least as many letters are missing; a name may be as long as the system's limit.
      if (std::max(given.size(), form.size()) >
          std::min(given.size(), form.size()) + kLettersWrongMax) {
        continue;
      }
      const size_t distance = Distance(given, form);
      // Two wrong letters in a short name make it another word.
      const size_t letters = form.starts_with(prefix) ? form.size() - prefix.size() : form.size();
      if (distance < least && distance * 4 <= letters) {
        least = distance;
        nearest = variable.variable;
      }
    }
  }
  return nearest;
}

}  // namespace tcsync::server
