// Finds the fields by which proxies say where a request comes from.
#ifndef TCSYNC_SRC_HTTP_FORWARDED_FIELDS_H_
#define TCSYNC_SRC_HTTP_FORWARDED_FIELDS_H_

#include "absl/types/span.h"
#include "access/forwarded_fields.h"
#include "tcsync/http_message.h"

namespace tcsync::http {

// Borrows from `headers`. Names are taken in any case, as RFC 9110, section 5.1 has them.
access::ForwardedFields ForwardedFieldsOf(absl::Span<const HeaderView> headers);

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_FORWARDED_FIELDS_H_
