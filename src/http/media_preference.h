// The choice between the forms of a page that has two: HTML for browsers, a line of text otherwise.
#ifndef TCSYNC_SRC_HTTP_MEDIA_PREFERENCE_H_
#define TCSYNC_SRC_HTTP_MEDIA_PREFERENCE_H_

#include "tcsync/http_message.h"

namespace tcsync::http {

// Whether the sender of a request prefers HTML to plain text: its Accept (RFC 9110, section 12.5.1)
// names text/html, and gives plain text no higher quality. Programs name no type, or "*/*", so they
// get text.
bool PrefersHtml(const RequestHead& head);

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_MEDIA_PREFERENCE_H_
