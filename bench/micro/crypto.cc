// A replica's computations: the key, once per client, and sealing and unsealing of the data that it
// sends and receives.
//
//   derive_key       SealingKey::Derive: 600,000 rounds of HMAC-SHA256, slow on purpose. Nothing on
//                    a server ever does this.
//   hmac_sha256      one HMAC-SHA256 of 32 bytes by libsodium: derive_key cannot be faster than
//                    600,000 times the two of four hash blocks that do not depend on the key alone,
//                    which is half of this
//   seal, unseal     tcsync::Seal and Unseal, with the output's memory, the nonce and the wiping
//   sodium_seal, sodium_unseal
//                    ChaCha20-Poly1305 by libsodium alone, from one buffer into another
//
// bytes_per_second are of plaintext. Compare seal with sodium_seal: the ratio above 1 is our cost.
#include <benchmark/benchmark.h>
#include <sodium.h>

#include <string>
#include <variant>
#include <vector>

#include "micro/program.h"
#include "tcsync/envelope.h"

namespace tcsync {
namespace {

constexpr int64_t kPlaintextBytesLeast = 64;
constexpr int64_t kPlaintextBytesMost = 4 << 20;
constexpr int kSizeStep = 16;
constexpr size_t kAdditionalBytes = 17;

void DeriveKey(benchmark::State& state) {
  const Uuid client_id = Uuid::Random();
  for (auto _ : state) {
    const auto key = SealingKey::Derive(client_id, "a secret that replicas share");
    if (!key.ok()) return state.SkipWithError("no key was derived");
  }
}
BENCHMARK(DeriveKey)->Name("derive_key")->Unit(benchmark::kMillisecond);

void HmacSha256(benchmark::State& state) {
  unsigned char key[crypto_auth_hmacsha256_KEYBYTES] = {1};
  unsigned char block[crypto_auth_hmacsha256_BYTES] = {2};
  for (auto _ : state) {
    crypto_auth_hmacsha256(block, block, sizeof(block), key);
    benchmark::DoNotOptimize(block);
  }
}
BENCHMARK(HmacSha256)->Name("hmac_sha256");

const SealingKey& Key() {
  static const SealingKey key = *SealingKey::Derive(Uuid::Random(), "secret");
  return key;
}

void SealBytes(benchmark::State& state) {
  const std::string plaintext(static_cast<size_t>(state.range(0)), 'p');
  const Uuid version = Uuid::Random();
  const SealingKey& key = Key();  // derived before the clock runs
  for (auto _ : state) {
    const auto sealed = Seal(key, version, plaintext);
    if (!sealed.ok()) return state.SkipWithError("sealing failed");
    benchmark::DoNotOptimize(sealed->data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void UnsealBytes(benchmark::State& state) {
  const std::string plaintext(static_cast<size_t>(state.range(0)), 'p');
  const Uuid version = Uuid::Random();
  const auto sealed = Seal(Key(), version, plaintext);
  if (!sealed.ok()) return state.SkipWithError("sealing failed");
  for (auto _ : state) {
    const auto opened = Unseal(Key(), version, *sealed);
    const auto* secret = std::get_if<SecretString>(&opened);
    if (secret == nullptr) return state.SkipWithError("sealed bytes do not open");
    benchmark::DoNotOptimize(secret->data());
  }
  const auto opened = Unseal(Key(), version, *sealed);
  if (std::get<SecretString>(opened).AsStringView() != plaintext) {
    return state.SkipWithError("sealed bytes open to other bytes");
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// The parts that libsodium needs for one envelope.
struct SodiumEnvelope {
  explicit SodiumEnvelope(size_t plaintext_bytes)
      : plaintext(plaintext_bytes, 'p'),
        ciphertext(plaintext_bytes + crypto_aead_chacha20poly1305_ietf_ABYTES) {}

  void Seal() {
    crypto_aead_chacha20poly1305_ietf_encrypt(ciphertext.data(), nullptr, plaintext.data(),
                                              plaintext.size(), additional, sizeof(additional),
                                              nullptr, nonce, key);
  }
  bool Unseal() {
    return crypto_aead_chacha20poly1305_ietf_decrypt(
               plaintext.data(), nullptr, nullptr, ciphertext.data(), ciphertext.size(), additional,
               sizeof(additional), nonce, key) == 0;
  }

  std::vector<unsigned char> plaintext;
  std::vector<unsigned char> ciphertext;
  unsigned char additional[kAdditionalBytes] = {1};
  unsigned char nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {2};
  unsigned char key[crypto_aead_chacha20poly1305_ietf_KEYBYTES] = {3};
};

void SodiumSeal(benchmark::State& state) {
  SodiumEnvelope envelope(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    envelope.Seal();
    benchmark::DoNotOptimize(envelope.ciphertext.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void SodiumUnseal(benchmark::State& state) {
  SodiumEnvelope envelope(static_cast<size_t>(state.range(0)));
  envelope.Seal();
  for (auto _ : state) {
    if (!envelope.Unseal()) return state.SkipWithError("sealed bytes do not open");
    benchmark::DoNotOptimize(envelope.plaintext.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("bytes")->RangeMultiplier(kSizeStep)->Range(kPlaintextBytesLeast,
                                                                 kPlaintextBytesMost);
}
BENCHMARK(SealBytes)->Name("seal")->Apply(Sizes);
BENCHMARK(SodiumSeal)->Name("sodium_seal")->Apply(Sizes);
BENCHMARK(UnsealBytes)->Name("unseal")->Apply(Sizes);
BENCHMARK(SodiumUnseal)->Name("sodium_unseal")->Apply(Sizes);

}  // namespace
}  // namespace tcsync

int main(int argc, char** argv) {
  if (sodium_init() < 0) return 1;
  return tcsync::micro::RunBenchmarks(argc, argv);
}
