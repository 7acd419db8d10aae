// Tokens of the path /i/TOKEN: they admit their holder, by an invite or as one client.
//
// A token is 32 lower-case hexadecimal digits for 16 random bytes. Storage keeps its digest alone,
// and nothing else keeps or logs the token: a reader of a backup or a log cannot use the digest.
#ifndef TCSYNC_SRC_ACCESS_TOKEN_H_
#define TCSYNC_SRC_ACCESS_TOKEN_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/storage.h"

namespace tcsync::access {

inline constexpr size_t kTokenLength = 32;

// A new token, from the operating system's random source. Thread-safe. Ends the process if there is
// no such source, which no supported system lacks: a guessable token would be worse.
std::string MakeToken();

// Whether `text` has the form of a token from MakeToken().
bool IsToken(absl::string_view text);

// A token in storage: the SHA-256 of its text. No salt and no slow hash: nobody can try out 2^128
// tokens. Thread-safe.
TokenDigest DigestOf(absl::string_view token);

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_TOKEN_H_
