// Sorts the links of a race by parent: that shows doubles, and makes the chain quick to walk.
#include "load/race_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tcsync::load {

void LinkLog::Add(const Link& link) {
  if (blocks_.empty() || blocks_.back()->size() == kLinksPerBlock) {
    blocks_.push_back(std::make_unique<std::vector<Link>>());
    blocks_.back()->reserve(kLinksPerBlock);
  }
  blocks_.back()->push_back(link);
}

void LinkLog::CopyTo(std::vector<Link>* links) const {
  for (const auto& block : blocks_) links->insert(links->end(), block->begin(), block->end());
}

std::vector<std::string> CheckOneChain(std::vector<Link> links, bool answers_lost) {
  std::vector<std::string> faults;
  const auto by_parent = [](const Link& a, const Link& b) { return a.parent < b.parent; };
  std::sort(links.begin(), links.end(), by_parent);
  for (size_t i = 1; i < links.size(); ++i) {
    if (links[i].parent == links[i - 1].parent) {
      faults.push_back(absl::StrCat("two versions with one parent: ", links[i - 1].version.view(),
                                    " and ", links[i].version.view(), " both have ",
                                    links[i].parent.view()));
    }
  }
  if (!faults.empty() || answers_lost) return faults;

  // With no parent used twice, as many steps from the nil version as there are links means that
  // all of them lie on the one chain. More steps than links would be a cycle.
  size_t steps = 0;
  Link here{.parent = NilUuid(), .version = NilUuid()};
  for (;;) {
    const auto next = std::lower_bound(links.begin(), links.end(), here, by_parent);
    if (next == links.end() || !(next->parent == here.parent) || steps > links.size()) break;
    here.parent = next->version;
    ++steps;
  }
  if (steps != links.size()) {
    faults.push_back(absl::StrCat("the server added ", links.size(), " versions, but the chain",
                                  " from the nil version has ", steps));
  }
  return faults;
}

}  // namespace tcsync::load
