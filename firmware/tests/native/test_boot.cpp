#include <zlib.h>

#include <random>
#include <string>

#include "boot_image.h"
#include "test/catch.h"

extern "C" {
#include "rom/slots.h"
}
#include "rdu_boot_text.h"

using namespace rdu::firmware;

/// The boot ROM's judgement, computed by libsodium in place of the chip's block.
namespace {

bool sha256(const void* data, uint64_t bytes, uint8_t digest[32]) {
  return crypto_hash_sha256(digest, static_cast<const uint8_t*>(data), bytes) == 0;
}
bool verify(const uint8_t key[32], const uint8_t signature[64], const void* data, uint64_t bytes,
            bool* valid) {
  *valid = crypto_sign_verify_detached(signature, static_cast<const uint8_t*>(data), bytes, key) == 0;
  return true;
}
bool broken_sha256(const void*, uint64_t, uint8_t*) {
  return false;
}
bool broken_verify(const uint8_t*, const uint8_t*, const void*, uint64_t, bool* valid) {
  *valid = true;
  return false;
}
constexpr image_crypto kCrypto{sha256, verify};

const KeyPair kOurs(1), kOther(2);

image_policy policy(bool required = true) {
  image_policy p{};
  p.crypto = &kCrypto;
  std::memcpy(p.key, kOurs.key, sizeof p.key);
  p.signature_required = required;
  p.type = RDU_IMAGE_FIRMWARE;
  p.rollback = 5;
  p.ram = kRamBase;
  p.ram_bytes = kRamBytes;
  return p;
}

ImageOptions good() {
  ImageOptions o;
  o.signer = &kOurs;
  o.rollback = 5;
  return o;
}

uint32_t check(const std::vector<uint8_t>& image, const image_policy& p = policy(),
               bool* authentic = nullptr) {
  struct image out;
  const uint32_t error = image_check(&p, image.data(), image.size(), &out);
  if (authentic) *authentic = out.authentic;
  return error;
}

std::vector<uint8_t> with(std::vector<uint8_t> image, size_t at, uint8_t value, bool crc = true) {
  image[at] = value;
  if (crc) {
    const uint32_t sum = image_crc32(image.data(), offsetof(rdu_image_header, header_crc));
    std::memcpy(image.data() + offsetof(rdu_image_header, header_crc), &sum, 4);
  }
  return image;
}

}  // namespace

TEST_CASE("boot: the checksum is zlib's") {
  std::vector<uint8_t> bytes(300);
  for (size_t n = 0; n < bytes.size(); ++n) bytes[n] = static_cast<uint8_t>(n * 7);
  CHECK(image_crc32(bytes.data(), 300) == crc32(0, bytes.data(), 300));
  CHECK(image_crc32(bytes.data(), 0) == 0);
}

TEST_CASE("boot: a good image is authentic") {
  bool authentic = false;
  CHECK(check(make_image(good()), policy(), &authentic) == RDU_BOOT_OK);
  CHECK(authentic);
  struct image image;
  const auto bytes = make_image(good());
  const image_policy p = policy();
  REQUIRE(image_check(&p, bytes.data(), bytes.size(), &image) == RDU_BOOT_OK);
  CHECK(image.elf.entry == kRamBase);
  CHECK(image_bytes(&image.header) == bytes.size());
}

TEST_CASE("boot: every bit of a signed image counts") {
  const std::vector<uint8_t> image = make_image(good());
  for (size_t bit = 0; bit < image.size() * 8; ++bit) {
    std::vector<uint8_t> bad = image;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    INFO("bit " << bit);
    bool authentic = true;
    REQUIRE(check(bad, policy(), &authentic) != RDU_BOOT_OK);
    REQUIRE_FALSE(authentic);
  }
  // An attacker makes checksum and digest right again; only the signature is left.
  for (size_t byte = 0; byte < offsetof(rdu_image_header, header_crc); ++byte) {
    INFO("byte " << byte);
    REQUIRE(check(with(image, byte, image[byte] ^ 0x10)) != RDU_BOOT_OK);
  }
}

TEST_CASE("boot: any length is judged without reading behind the image") {
  const std::vector<uint8_t> image = make_image(good());
  for (size_t bytes = 0; bytes < image.size(); ++bytes) {
    const std::vector<uint8_t> cut(image.begin(), image.begin() + static_cast<long>(bytes));
    REQUIRE(check(cut) == RDU_BOOT_BAD_LENGTH);
  }
  std::vector<uint8_t> longer = image;
  longer.resize(image.size() + 100, 0xff);
  CHECK(check(longer) == RDU_BOOT_OK);  // what follows in the slot is nobody's
}

TEST_CASE("boot: each refusal has its reason") {
  const std::vector<uint8_t> image = make_image(good());
  CHECK(check(std::vector<uint8_t>(4096, 0xff)) == RDU_BOOT_NO_IMAGE);
  CHECK(check(std::vector<uint8_t>(4096, 0)) == RDU_BOOT_BAD_HEADER);
  CHECK(check(with(image, 0, 0)) == RDU_BOOT_BAD_HEADER);
  CHECK(check(with(image, 4, 2)) == RDU_BOOT_BAD_HEADER);
  CHECK(check(with(image, 6, 64)) == RDU_BOOT_BAD_HEADER);
  CHECK(check(with(image, 20, 0x81)) == RDU_BOOT_BAD_HEADER);
  CHECK(check(with(image, 70, 'x', false)) == RDU_BOOT_BAD_HEADER);
  CHECK(check(with(image, 28, image[28] + 1)) == RDU_BOOT_BAD_LENGTH);
  CHECK(check(with(image, 31, 0xff)) == RDU_BOOT_BAD_LENGTH);
  CHECK(check(with(image, 12, 99)) == RDU_BOOT_BAD_SIGNATURE);
  CHECK(check(with(image, 24, image[24] ^ 1)) == RDU_BOOT_OTHER_KEY);
  CHECK(check(with(image, 130, 0x55)) == RDU_BOOT_BAD_DIGEST);

  ImageOptions o = good();
  o.type = 1;
  CHECK(check(make_image(o)) == RDU_BOOT_BAD_TYPE);
  o = good();
  o.rollback = 4;
  CHECK(check(make_image(o)) == RDU_BOOT_ROLLED_BACK);
  o = good();
  o.signer = &kOther;
  CHECK(check(make_image(o)) == RDU_BOOT_OTHER_KEY);
  o.signer = nullptr;
  CHECK(check(make_image(o)) == RDU_BOOT_UNSIGNED);
  o = good();
  o.payload.clear();
  CHECK(check(make_image(o)) == RDU_BOOT_BAD_LENGTH);
  o.payload.assign(64, 0x20);
  CHECK(check(make_image(o)) == RDU_BOOT_BAD_IMAGE);
  image_policy small = policy();
  small.ram_bytes = 16;
  CHECK(check(image, small) == RDU_BOOT_BAD_SEGMENT);
}

TEST_CASE("boot: in development signatures are wanted, not demanded") {
  bool authentic = false;
  ImageOptions o = good();
  CHECK(check(make_image(o), policy(false), &authentic) == RDU_BOOT_OK);
  CHECK(authentic);
  o.signer = nullptr;
  CHECK(check(make_image(o), policy(false), &authentic) == RDU_BOOT_OK);
  CHECK_FALSE(authentic);
  o.signer = &kOther;
  CHECK(check(make_image(o), policy(false), &authentic) == RDU_BOOT_OK);
  CHECK_FALSE(authentic);
  CHECK(check(with(make_image(good()), 12, 99), policy(false)) == RDU_BOOT_BAD_SIGNATURE);
  o.rollback = 4;
  CHECK(check(make_image(o), policy(false)) == RDU_BOOT_ROLLED_BACK);
}

TEST_CASE("boot: a broken cryptography block lets nothing through") {
  constexpr image_crypto kNoHash{broken_sha256, verify}, kNoVerify{sha256, broken_verify};
  image_policy p = policy();
  p.crypto = &kNoHash;
  CHECK(check(make_image(good()), p) == RDU_BOOT_CRYPTO);
  p.crypto = &kNoVerify;
  CHECK(check(make_image(good()), p) == RDU_BOOT_CRYPTO);
}

TEST_CASE("boot: slots by rank, then version, then number") {
  rdu_slot_state states[2] = {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u, ~0u, ~0u}};
  const auto first = [&](uint32_t v0, uint32_t v1) {
    const uint32_t versions[2] = {v0, v1};
    return slots_first(states, versions);
  };
  CHECK(first(1, 1) == 0);
  CHECK(first(1, 2) == 1);
  CHECK(first(0x010000, 0x00ffff) == 0);
  states[0].rank = 1;
  CHECK(first(1, 2) == 0);
  states[1].rank = 2;
  CHECK(first(9, 2) == 1);
  CHECK(slot_rank(&states[1]) == 2);
  states[1].rank = ~0u;
  CHECK(slot_rank(&states[1]) == 0);
}

TEST_CASE("boot: attempts are cleared bits") {
  rdu_slot_state state{~0u, ~0u, ~0u, ~0u};
  CHECK_FALSE(slot_is_good(&state));
  for (uint32_t n = 0; n < 32; ++n) {
    CHECK(slot_attempts(&state) == n);
    const uint32_t next = slot_next_attempt(&state);
    CHECK((next & ~state.attempts) == 0);  // the flash can only clear
    state.attempts = next;
  }
  CHECK(slot_attempts(&state) == 32);
  CHECK(slot_next_attempt(&state) == 0);
  state.good = RDU_SLOT_GOOD;
  CHECK(slot_is_good(&state));
  state.good = 1;  // a word that was half written is no mark
  CHECK_FALSE(slot_is_good(&state));
}

TEST_CASE("boot: every error has a text of its own") {
  std::vector<std::string> texts;
  for (uint32_t error = 0; error <= 0x2b; ++error) {
    const std::string text = rdu_boot_text(error);
    if (text != "unknown boot error") texts.push_back(text);
  }
  CHECK(texts.size() == 21);
  std::sort(texts.begin(), texts.end());
  CHECK(std::unique(texts.begin(), texts.end()) == texts.end());
}
