// Tokens of the path /i/TOKEN: who was given one may come in, by an invite or as one client.
//
// A token is 32 lower-case hexadecimal digits for 16 random bytes. Storage keeps its digest alone,
// and nothing else keeps or logs the token: whoever reads a backup or a log cannot use what is
// there.
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

// Whether `text` is written as MakeToken() writes tokens.
bool IsToken(absl::string_view text);

// What storage keeps of a token: the SHA-256 of its text. No salt and no slow hash: nobody can try
// out 2^128 tokens. Thread-safe.
TokenDigest DigestOf(absl::string_view token);

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_TOKEN_H_
