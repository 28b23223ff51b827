#include "mgmt/fuses.h"

#include <fmt/format.h>

#include "core/error.h"

namespace rdu::mgmt {

using namespace regs::fuses;

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::array<uint8_t, 32> Fuses::public_key(const std::string& text) {
  const std::string digits = text == "development" ? RDU_DEVELOPMENT_KEY : text;
  std::array<uint8_t, 32> key{};
  bool good = digits.size() == 2 * key.size();
  for (size_t i = 0; good && i < key.size(); ++i) {
    const int high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);
    good = high >= 0 && low >= 0;
    key[i] = static_cast<uint8_t>(high << 4 | low);
  }
  if (!good) {
    core::bad_input(fmt::format(
        "fuses.public_key '{}': expected 'development' or the 64 hexadecimal digits of an Ed25519 key "
        "(scripts/sign-firmware keygen writes them into NAME.pub)",
        text));
  }
  return key;
}

Fuses::Fuses(const std::string& name, const FuseParams& params) : name_(name), port_(name, regs_) {
  regs_.SERIAL.set_value(params.serial);
  regs_.SECURITY.set(SECURITY::SECURE_BOOT, params.secure_boot);
  const auto key = public_key(params.public_key);
  for (unsigned i = 0; i < key.size(); ++i) {
    core::Register& word = regs_.KEY[i / 4];
    word.set_value(word.value() | uint64_t{key[i]} << 8 * (i % 4));
  }
  for (unsigned type = 0; type < regs_.ROLLBACK.size(); ++type) {
    regs_.ROLLBACK[type].set_value(type == 0 ? params.firmware_rollback : 0);
    regs_.ROLLBACK[type].on_write([this, type](uint64_t before) { blow(type, before); });
  }
}

void Fuses::blow(unsigned type, uint64_t before) {
  core::Register& counter = regs_.ROLLBACK[type];
  const uint64_t wanted = counter.value();
  const char* why = nullptr;
  if (wanted < before) why = "fuses cannot be restored";
  if (wanted > before && regs_.LOCK.get(LOCK::ROLLBACK)) why = "the counters are locked";
  if (!why) return;
  counter.set_value(before);
  core::report_guest_fault(
      name_, fmt::format("{} stays {}, {} was written: {}", counter.name(), before, wanted, why));
}

void Fuses::reset() {
  regs_.LOCK.reset();
}

}  // namespace rdu::mgmt
