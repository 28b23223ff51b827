#include "tools/fw/image_file.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tools/fw/error.h"
#include "user/status.h"
extern "C" {
#include "rom/image.h"
}
#include "rdu_abi.h"
#include "regs/address_map.h"

namespace rdu::fw {

namespace {

bool sha256(const void* data, uint64_t bytes, uint8_t digest[32]) {
  return crypto_hash_sha256(digest, static_cast<const uint8_t*>(data), bytes) == 0;
}
bool verify(const uint8_t key[32], const uint8_t signature[64], const void* data, uint64_t bytes,
            bool* valid) {
  *valid = crypto_sign_verify_detached(signature, static_cast<const uint8_t*>(data), bytes, key) == 0;
  return true;
}
constexpr image_crypto kCrypto{sha256, verify};

std::vector<uint8_t> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) throw Error(fmt::format("{}: {}", path, std::strerror(errno)));
  return bytes;
}

bool is_key(const std::string& text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

}  // namespace

PublicKey public_key(const std::string& text) {
  std::string digits = text == "development" ? RDU_DEVELOPMENT_KEY : text;
  if (!is_key(digits)) {
    const auto bytes = read_file(text);
    digits.assign(bytes.begin(), bytes.end());
    while (!digits.empty() && std::isspace(static_cast<unsigned char>(digits.back()))) digits.pop_back();
  }
  if (!is_key(digits)) throw Error(fmt::format("{}: no public key: 64 hexadecimal digits expected", text));
  PublicKey key;
  sodium_hex2bin(key.data(), key.size(), digits.data(), digits.size(), nullptr, nullptr, nullptr);
  return key;
}

std::string ImageFile::name() const {
  return {header.name, strnlen(header.name, sizeof header.name)};
}

ImageFile read_image(const std::string& path, const PublicKey& key, bool signature_required,
                     uint32_t rollback) {
  ImageFile file;
  file.path = path;
  file.bytes = read_file(path);
  constexpr uint32_t kMagic = RDU_IMAGE_MAGIC;
  if (file.bytes.size() < sizeof file.header || std::memcmp(file.bytes.data(), &kMagic, sizeof kMagic) != 0)
    throw Error(fmt::format("{}: no firmware image (scripts/sign-firmware makes them)", path));
  image_policy policy{};
  policy.crypto = &kCrypto;
  std::copy(key.begin(), key.end(), policy.key);
  policy.signature_required = signature_required;
  policy.type = RDU_IMAGE_FIRMWARE;
  policy.rollback = rollback;
  policy.ram = RDU_BASE_RAM;
  policy.ram_bytes = RDU_SIZE_RAM;  // how much of it exists the chip itself knows
  image image{};
  const uint32_t error = image_check(&policy, file.bytes.data(), file.bytes.size(), &image);
  if (error != RDU_BOOT_OK) throw Error(fmt::format("{}: {}", path, user::boot_error_text(error)));
  const uint64_t expected = image_bytes(&image.header);
  if (file.bytes.size() != expected)
    throw Error(fmt::format("{}: has {} bytes, its header says {}", path, file.bytes.size(), expected));
  file.header = image.header;
  file.is_signed = (image.header.flags & RDU_IMAGE_FLAG_SIGNED) != 0;
  file.authentic = image.authentic;
  return file;
}

std::string version_text(uint32_t version) {
  return fmt::format("{}.{}.{}", version >> 16 & 0xff, version >> 8 & 0xff, version & 0xff);
}

}  // namespace rdu::fw
