#include "http/forwarded_fields.h"

#include "absl/strings/match.h"

namespace tcsync::http {

access::ForwardedFields ForwardedFieldsOf(absl::Span<const HeaderView> headers) {
  access::ForwardedFields fields;
  for (const HeaderView& header : headers) {
    if (absl::EqualsIgnoreCase(header.name, "Fly-Client-IP")) {
      if (!fields.fly_client_ip) fields.fly_client_ip = header.value;
      continue;
    }
    const bool is_list = absl::EqualsIgnoreCase(header.name, "X-Forwarded-For");
    if (is_list) fields.forwarded_for.push_back(header.value);
    if (fields.first.data() == nullptr &&
        (is_list || absl::EqualsIgnoreCase(header.name, "Forwarded") ||
         absl::EqualsIgnoreCase(header.name, "X-Real-IP"))) {
      fields.first = header.value;
    }
  }
  return fields;
}

}  // namespace tcsync::http
