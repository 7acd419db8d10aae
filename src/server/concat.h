// Joins pieces of text. (GCC 12 warns falsely about operator+ of std::string when it optimizes.)
#ifndef TCSYNC_SRC_SERVER_CONCAT_H_
#define TCSYNC_SRC_SERVER_CONCAT_H_

#include <initializer_list>
#include <string>
#include <string_view>

namespace tcsync::server {

inline std::string Concat(std::initializer_list<std::string_view> pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text += piece;
  return text;
}

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_CONCAT_H_
