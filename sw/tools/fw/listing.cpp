#include "tools/fw/listing.h"

#include <fmt/format.h>
#include <sodium.h>

#include <cstring>

#include "regs/hostif.h"
#include "user/status.h"

namespace rdu::fw {

namespace {

std::string row(const char* what, const std::string& text) {
  return fmt::format("{:<18}{}\n", what, text);
}

uint32_t boot_source(uint32_t boot) {
  return (boot & RDU_HOSTIF_BOOT_SOURCE_MASK) >> RDU_HOSTIF_BOOT_SOURCE_SHIFT;
}

std::string source_text(uint32_t boot) {
  const std::string authentic =
      (boot & RDU_HOSTIF_BOOT_AUTHENTIC_MASK) != 0 ? "" : ", not signed with the chip's key";
  switch (boot_source(boot)) {
    case RDU_HOSTIF_BOOT_SOURCE_SLOT0:
      return "slot 0" + authentic;
    case RDU_HOSTIF_BOOT_SOURCE_SLOT1:
      return "slot 1" + authentic;
    case RDU_HOSTIF_BOOT_SOURCE_RECOVERY:
      return "the host (recovery)" + authentic;
    default:
      return "nothing yet";
  }
}

// What the ROM found; empty if it has not looked, or booted it.
std::string refusal(uint32_t slot) {
  if ((slot & RDU_HOSTIF_SLOT_STATE_MASK) != RDU_HOSTIF_SLOT_STATE_REFUSED << RDU_HOSTIF_SLOT_STATE_SHIFT)
    return "";
  return user::boot_error_text((slot & RDU_HOSTIF_SLOT_ERROR_MASK) >> RDU_HOSTIF_SLOT_ERROR_SHIFT);
}

std::string slot_text(const rdu_log_slot& slot) {
  if (slot.error == RDU_BOOT_NO_IMAGE) return "empty";
  if (slot.error != RDU_BOOT_OK) return user::boot_error_text(slot.error);
  const std::string name(slot.name, strnlen(slot.name, sizeof slot.name));
  std::string text = fmt::format("{} {}, {} bytes, rollback version {}, {}", name, version_text(slot.version),
                                 slot.bytes, slot.rollback, slot.is_signed ? "signed" : "not signed");
  text +=
      slot.good ? ", known to be good" : fmt::format(", booted {} times without coming up", slot.attempts);
  return text;
}

}  // namespace

std::string status_listing(const BootStatus& s) {
  std::string out = row("boot stage", user::boot_stage_text(s.stage) +
                                          (s.error != 0 ? ": " + user::boot_error_text(s.error) : ""));
  if (s.fatal) out += row("state", "the firmware reports a fatal error");
  out += row("booted from", source_text(s.boot));
  if (s.ready) out += row("firmware", version_text(s.version));
  for (uint32_t n = 0; n < 2; ++n) {
    const std::string why = refusal(s.slots[n]);
    if (!why.empty()) out += row(fmt::format("slot {} at boot", n).c_str(), "refused: " + why);
  }
  return out;
}

std::string firmware_listing(const rdu_log_firmware& f) {
  char key[65];
  sodium_bin2hex(key, sizeof key, f.key, sizeof f.key);
  std::string out = row("serial number", fmt::format("{}", f.serial));
  out += row("secure boot", f.secure_boot ? "on" : "off (development)");
  out += row("public key", key);
  out += row("rollback version", fmt::format("{} or higher boots", f.rollback));
  const uint32_t first = f.slots[1].rank > f.slots[0].rank ||
                         (f.slots[1].rank == f.slots[0].rank && f.slots[1].version > f.slots[0].version);
  for (uint32_t n = 0; n < 2; ++n) {
    std::string text = slot_text(f.slots[n]);
    if (boot_source(f.boot) == n + RDU_HOSTIF_BOOT_SOURCE_SLOT0) text += "; runs";
    if (n == first && f.slots[n].error == RDU_BOOT_OK) text += "; boots next";
    out += row(fmt::format("slot {}", n).c_str(), text);
  }
  return out;
}

std::string image_line(const ImageFile& image) {
  return fmt::format("{} {}, rollback version {}, {} bytes, {}", image.name(),
                     version_text(image.header.version), image.header.rollback, image.bytes.size(),
                     image.authentic   ? "signed"
                     : image.is_signed ? "signed with another key"
                                       : "not signed");
}

}  // namespace rdu::fw
