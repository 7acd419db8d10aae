// Checks after a race that the versions for which the server answered 200 are one chain: no parent
// has two children, and no version is missing in between.
#ifndef TCSYNC_BENCH_LOAD_RACE_CHECK_H_
#define TCSYNC_BENCH_LOAD_RACE_CHECK_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "load/uuid_text.h"

namespace tcsync::load {

struct Link {
  UuidText parent;
  UuidText version;
};

// Links in the order of their addition. Grows by whole blocks, so that an addition never copies the
// others, which would be a pause in the middle of a measurement. Thread-compatible.
class LinkLog {
 public:
  void Add(const Link& link);

  // Appends all to `links`.
  void CopyTo(std::vector<Link>* links) const;

 private:
  static constexpr size_t kLinksPerBlock = size_t{16} << 10;

  std::vector<std::unique_ptr<std::vector<Link>>> blocks_;
};

// The faults of `links`, all of one client whose chain starts at the nil version; empty when they
// are one chain. `answers_lost`: some request may have been executed without an answer, so gaps in
// the chain prove nothing.
std::vector<std::string> CheckOneChain(std::vector<Link> links, bool answers_lost);

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_RACE_CHECK_H_
