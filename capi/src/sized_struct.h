// Structs that begin with struct_size, their size in the caller's header. The two sides may be of
// different releases: a struct grows at its end, and a field that one side lacks is zero.
#ifndef TCSYNC_CAPI_SRC_SIZED_STRUCT_H_
#define TCSYNC_CAPI_SRC_SIZED_STRUCT_H_

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/string_view.h"
#include "capi/src/guard.h"

namespace tcsync::capi {

// No struct of any release is larger, so a larger struct_size is a mistake, such as uninitialised
// memory, and no memory of that size is read.
inline constexpr size_t kStructBytesMax = 4096;

// The name of a parameter and of its type, for messages.
struct StructName {
  absl::string_view parameter;
  absl::string_view type;
};

// Whether `size`, a struct_size, is from `size_min` to kStructBytesMax. `known` is the size of the
// struct in this release.
Result CheckStructSize(size_t size, size_t size_min, size_t known, const StructName& name);

// The same, and whether all bytes after the first `known` ones are zero: an unknown field asks for
// something that this release cannot do, and must not ignore.
Result CheckStruct(const void* given, size_t size, size_t size_min, size_t known,
                   const StructName& name);

// Reads a struct from the caller. `size_min` is its size in the first release that had it.
template <typename T>
Result ReadStruct(const T& given, size_t size_min, const StructName& name, T& read) {
  Result result = CheckStruct(&given, given.struct_size, size_min, sizeof(T), name);
  if (!result.ok()) return result;
  read = {};
  std::memcpy(&read, &given, std::min(given.struct_size, sizeof(T)));
  return result;
}

// Whether a struct of `size` bytes can be read or written, of which `size_min` are needed.
constexpr bool IsStructSize(size_t size, size_t size_min = sizeof(size_t)) {
  return size >= size_min && size <= kStructBytesMax;
}

// Writes as much of `filled` as the caller's struct takes, and zero into fields of later releases.
template <typename T>
void WriteStruct(T filled, T* given) noexcept {
  const size_t size = given->struct_size;
  filled.struct_size = size;
  std::memcpy(given, &filled, std::min(size, sizeof(T)));
  if (size > sizeof(T)) {
    std::memset(reinterpret_cast<char*>(given) + sizeof(T), 0, size - sizeof(T));
  }
}

// ClearOutput for a struct for results, which stays as it is when its size makes no sense.
template <typename T>
void ClearOutputStruct(T* given) noexcept {
  if (given != nullptr && IsStructSize(given->struct_size)) WriteStruct(T{}, given);
}

// Whether `given`, a struct for results, can be written: any size is valid that includes
// `size_min`, and at least struct_size itself.
template <typename T>
Result CheckOutputStruct(const T* given, const StructName& name, size_t size_min = sizeof(size_t)) {
  if (given == nullptr) return NullArgument(name.parameter);
  return CheckStructSize(given->struct_size, size_min, sizeof(T), name);
}

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_SIZED_STRUCT_H_
