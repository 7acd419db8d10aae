// Sealed bytes from a server that is not trusted: they open only as they were sealed.
#include <string>
#include <variant>

#include "tcsync/envelope.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

const SealingKey& Key() {
  static const SealingKey key =
      SealingKey::Derive(*Uuid::Parse("c11e4700-0000-4000-8000-000000000001"), "a secret").value();
  return key;
}

}  // namespace
}  // namespace tcsync::fuzz

// 0: sealed bytes as they come. Otherwise a plaintext, which is sealed and then changed in one
// byte. Both have a version ID before them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  fuzz::Input input(data, size);
  const uint8_t change = input.TakeByte();
  const uint8_t place = input.TakeByte();
  const std::string id_bytes(input.Take(Uuid::kBytes));
  if (id_bytes.size() < Uuid::kBytes) return 0;
  const Uuid version_id = Uuid::FromBytes(id_bytes.data());
  if (change == 0) {
    const auto opened = Unseal(fuzz::Key(), version_id, input.rest());
    const auto* const fault = std::get_if<UnsealFault>(&opened);
    fuzz::Expect(fault != nullptr, "no bytes open that were made without the key");
    fuzz::Expect(!UnsealFaultMessage(*fault).empty(), "every fault has a sentence");
    return 0;
  }
  std::string sealed = Seal(fuzz::Key(), version_id, input.rest()).value();
  fuzz::Expect(sealed.size() == input.rest().size() + kSealedOverheadBytes,
               "the overhead is fixed");
  {
    const auto opened = Unseal(fuzz::Key(), version_id, sealed);
    const auto* const plaintext = std::get_if<SecretString>(&opened);
    fuzz::Expect(plaintext != nullptr && plaintext->AsStringView() == input.rest(),
                 "a sealed body opens to the same bytes");
  }
  sealed[place % sealed.size()] = static_cast<char>(sealed[place % sealed.size()] ^ change);
  fuzz::Expect(std::holds_alternative<UnsealFault>(Unseal(fuzz::Key(), version_id, sealed)),
               "a changed body does not open");
  sealed[place % sealed.size()] = static_cast<char>(sealed[place % sealed.size()] ^ change);
  fuzz::Expect(std::holds_alternative<UnsealFault>(
                   Unseal(fuzz::Key(), version_id, sealed.substr(0, sealed.size() - 1))),
               "a cut body does not open");
  return 0;
}
