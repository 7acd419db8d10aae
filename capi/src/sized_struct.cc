#include "capi/src/sized_struct.h"

#include "absl/strings/str_cat.h"

namespace tcsync::capi {

Result CheckStructSize(size_t size, size_t size_min, size_t known, const StructName& name) {
  if (IsStructSize(size, size_min)) return {};
  return {TCSYNC_INVALID_ARGUMENT,
          absl::StrCat(name.parameter, "->struct_size is ", size, "; it must be set to sizeof(",
                       name.type, "), which is ", known, " here")};
}

Result CheckStruct(const void* given, size_t size, size_t size_min, size_t known,
                   const StructName& name) {
  Result result = CheckStructSize(size, size_min, known, name);
  if (!result.ok()) return result;
  const auto* const bytes = static_cast<const unsigned char*>(given);
  for (size_t i = known; i < size; ++i) {
    if (bytes[i] == 0) continue;
    return {
        TCSYNC_INVALID_ARGUMENT,
        absl::StrCat("byte ", i, " of *", name.parameter, " is not 0, but this release of tcsync ",
                     "knows only the first ", known, " bytes of a ", name.type,
                     ": the field needs a later one, or the struct was not zeroed")};
  }
  return {};
}

}  // namespace tcsync::capi
