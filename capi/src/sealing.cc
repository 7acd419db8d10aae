// Credentials, keys, and the sealing of history segments and snapshots.
#include "capi/src/sealing.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "capi/src/bytes.h"
#include "capi/src/guard.h"
#include "capi/src/uuid.h"
#include "tcsync.h"
#include "tcsync/envelope.h"
#include "tcsync/uuid.h"

namespace tcsync::capi {

tcsync_code CodeOf(UnsealFault fault) {
  switch (fault) {
    case UnsealFault::kTruncated:
      return TCSYNC_UNSEAL_TRUNCATED;
    case UnsealFault::kUnknownFormat:
      return TCSYNC_UNSEAL_UNKNOWN_FORMAT;
    case UnsealFault::kWrongKey:
      return TCSYNC_UNSEAL_WRONG_KEY;
    case UnsealFault::kNotAuthentic:
      return TCSYNC_UNSEAL_NOT_AUTHENTIC;
  }
  return TCSYNC_UNSEAL_FAILED;
}

Result InvalidVersionId(absl::string_view text) {
  if (text.size() > Uuid::kTextLength) {
    return {TCSYNC_INVALID_UUID,
            absl::StrCat("the version ID, of ", text.size(), " bytes, is not ", kUuidExample,
                         " (it is not repeated here, in case it is the plaintext)")};
  }
  return {TCSYNC_INVALID_UUID, absl::StrCat("the version ID '", text, "' is not ", kUuidExample)};
}

Result InvalidClientId(absl::string_view text) {
  return {TCSYNC_INVALID_UUID,
          absl::StrCat("the client ID, of ", text.size(), " bytes, is not ", kUuidExample,
                       " (it is not repeated here, in case it is the secret)")};
}

}  // namespace tcsync::capi

using tcsync::capi::CheckData;
using tcsync::capi::ClearOutput;
using tcsync::capi::FromStatus;
using tcsync::capi::Guard;
using tcsync::capi::Needed;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;
using tcsync::capi::View;

tcsync_code tcsync_credentials_generate(tcsync_bytes** client_id, tcsync_bytes** secret,
                                        tcsync_error** error) {
  ClearOutput(client_id);
  ClearOutput(secret);
  return Guard(error, [&]() -> Result {
    if (client_id == nullptr) return NullArgument("client_id");
    if (secret == nullptr) return NullArgument("secret");
    const absl::StatusOr<tcsync::Credentials> credentials = tcsync::GenerateCredentials();
    if (!credentials.ok()) return FromStatus(credentials.status());
    // Both are allocated before either is given away.
    auto made_client_id = std::make_unique<tcsync_bytes>(credentials->client_id.ToString());
    auto made_secret = std::make_unique<tcsync_bytes>(credentials->secret.AsStringView());
    *client_id = made_client_id.release();
    *secret = made_secret.release();
    return {};
  });
}

tcsync_code tcsync_key_derive(const char* client_id, const char* secret, size_t secret_size,
                              tcsync_key** key, tcsync_error** error) {
  ClearOutput(key);
  return Guard(error, [&]() -> Result {
    if (client_id == nullptr) return NullArgument("client_id");
    if (Result result = CheckData(secret, secret_size, "secret"); !result.ok()) return result;
    if (key == nullptr) return NullArgument("key");
    const std::optional<tcsync::Uuid> client = tcsync::Uuid::Parse(client_id);
    if (!client) return tcsync::capi::InvalidClientId(client_id);
    absl::StatusOr<tcsync::SealingKey> derived =
        tcsync::SealingKey::Derive(*client, View(secret, secret_size));
    if (!derived.ok()) return FromStatus(derived.status());
    *key = std::make_unique<tcsync_key>(*std::move(derived)).release();
    return {};
  });
}

void tcsync_key_free(tcsync_key* key) {
  const std::unique_ptr<tcsync_key> owned(tcsync::capi::Checked(key));
}

tcsync_code tcsync_seal(const tcsync_key* key, const char* version_id, const char* plaintext,
                        size_t plaintext_size, tcsync_bytes** sealed, tcsync_error** error) {
  ClearOutput(sealed);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(key, "key"); !result.ok()) return result;
    if (version_id == nullptr) return NullArgument("version_id");
    if (Result result = CheckData(plaintext, plaintext_size, "plaintext"); !result.ok())
      return result;
    if (sealed == nullptr) return NullArgument("sealed");
    const std::optional<tcsync::Uuid> version = tcsync::Uuid::Parse(version_id);
    if (!version) return tcsync::capi::InvalidVersionId(version_id);
    const absl::StatusOr<std::string> output =
        tcsync::Seal(key->key, *version, View(plaintext, plaintext_size));
    if (!output.ok()) return FromStatus(output.status());
    *sealed = std::make_unique<tcsync_bytes>(*output).release();
    return {};
  });
}

tcsync_code tcsync_unseal(const tcsync_key* key, const char* version_id, const char* sealed,
                          size_t sealed_size, tcsync_bytes** plaintext, tcsync_error** error) {
  ClearOutput(plaintext);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(key, "key"); !result.ok()) return result;
    if (version_id == nullptr) return NullArgument("version_id");
    if (Result result = CheckData(sealed, sealed_size, "sealed"); !result.ok()) return result;
    if (plaintext == nullptr) return NullArgument("plaintext");
    const std::optional<tcsync::Uuid> version = tcsync::Uuid::Parse(version_id);
    if (!version) return tcsync::capi::InvalidVersionId(version_id);
    const auto outcome = tcsync::Unseal(key->key, *version, View(sealed, sealed_size));
    if (const auto* const fault = std::get_if<tcsync::UnsealFault>(&outcome)) {
      return {tcsync::capi::CodeOf(*fault), std::string(tcsync::UnsealFaultMessage(*fault))};
    }
    const auto& opened = std::get<tcsync::SecretString>(outcome);
    *plaintext = std::make_unique<tcsync_bytes>(opened.AsStringView()).release();
    return {};
  });
}
