#include "admin/json.h"

#include "absl/strings/cord.h"

namespace tcsync::admin {
namespace {

constexpr char kDetails[] = "tcsync/administration-details";

}  // namespace

std::string ToText(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::Status WithDetails(absl::Status status, const Json& details) {
  status.SetPayload(kDetails, absl::Cord(ToText(details)));
  return status;
}

Json DetailsOf(const absl::Status& status) {
  const auto details = status.GetPayload(kDetails);
  return details ? Json::parse(std::string(*details)) : Json::object();
}

}  // namespace tcsync::admin
