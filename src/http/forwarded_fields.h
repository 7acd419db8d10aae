// Finds the fields in which proxies name the source of a request.
#ifndef TCSYNC_SRC_HTTP_FORWARDED_FIELDS_H_
#define TCSYNC_SRC_HTTP_FORWARDED_FIELDS_H_

#include "absl/types/span.h"
#include "access/forwarded_fields.h"
#include "tcsync/http_message.h"

namespace tcsync::http {

// Borrows from `headers`. Names are case-insensitive (RFC 9110, section 5.1).
access::ForwardedFields ForwardedFieldsOf(absl::Span<const HeaderView> headers);

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_FORWARDED_FIELDS_H_
