#include <algorithm>

#include "boot_image.h"
#include "fake_chip.h"
#include "native_device.h"
#include "regs/flash_ctl.h"
#include "regs/fuses.h"
#include "test/catch.h"

using namespace rdu::firmware;

/// Firmware update by admin commands, on a flash of 128 KiB: two slots of 32 KiB.
namespace {

constexpr uint32_t kFlash = FakeChip::kFlashBytes, kSlot = RDU_FLASH_SLOT_BYTES(kFlash);
const KeyPair kOurs(1);

uint64_t hostctl(uint64_t offset) {
  return RDU_BASE_HOSTCTL + offset;
}

/// A device that booted from a slot (2: from the host) and was enabled.
class Updater : public Device {
 public:
  explicit Updater(unsigned running = 0) {
    chip.reg(hostctl(RDU_HOSTCTL_BOOT)) = running == 2 ? RDU_HOSTCTL_BOOT_SOURCE_RECOVERY : running + 1;
    chip.reg(RDU_BASE_FUSES + RDU_FUSES_SECURITY) = 1;
    for (unsigned n = 0; n < 8; ++n) {
      uint32_t word;
      std::memcpy(&word, kOurs.key + 4 * n, 4);
      chip.reg(RDU_BASE_FUSES + RDU_FUSES_KEY(n)) = word;
    }
    enable();
  }

  rdu_cqe write(unsigned slot, uint64_t offset, const std::vector<uint8_t>& bytes) {
    std::copy(bytes.begin(), bytes.end(), chip.host(kBuffer));
    return call(0, RDU_ADMIN_FW_WRITE, 0, {slot, offset, kBuffer, bytes.size()});
  }
  void write_image(unsigned slot, const std::vector<uint8_t>& image) {
    for (size_t at = 0; at < image.size(); at += 4096) {
      const size_t end = std::min(image.size(), at + 4096);
      REQUIRE(write(slot, at, {image.begin() + static_cast<long>(at), image.begin() + static_cast<long>(end)})
                  .status == RDU_STATUS_OK);
    }
  }
  rdu_cqe activate(unsigned slot) { return call(0, RDU_ADMIN_FW_ACTIVATE, 0, {slot}); }

  rdu_slot_state state(unsigned slot) {
    rdu_slot_state s;
    std::memcpy(&s, chip.flash.data() + RDU_FLASH_STATE(slot), sizeof s);
    return s;
  }
  void set_state(unsigned slot, const rdu_slot_state& s) {
    std::memcpy(chip.flash.data() + RDU_FLASH_STATE(slot), &s, sizeof s);
  }
  std::vector<uint8_t> contents(unsigned slot, size_t bytes) {
    const auto from = chip.flash.begin() + RDU_FLASH_SLOT(slot, kFlash);
    return {from, from + static_cast<long>(bytes)};
  }

 private:
  static constexpr uint64_t kBuffer = 0xe0000;
};

ImageOptions signed_image() {
  ImageOptions o;
  o.signer = &kOurs;
  o.payload.resize(10'000, 0x5a);
  return o;
}

}  // namespace

TEST_CASE("update: an image is written sector by sector, and boots once it is activated") {
  Updater d;
  d.set_state(0, {1, 0, ~0u, ~0u});
  d.set_state(1, {7, 0, 0xfffffff8, ~0u});
  const auto image = make_image(signed_image());
  d.write_image(1, image);
  CHECK(d.contents(1, image.size()) == image);
  CHECK(d.state(1).rank == ~0u);  // nothing is known of it yet
  CHECK(d.state(1).attempts == ~0u);
  CHECK(d.chip.erased == 4);  // its state, and three sectors
  CHECK(d.contents(0, 64) == std::vector<uint8_t>(64, 0xff));
  CHECK(d.activate(1).status == RDU_STATUS_OK);
  CHECK(d.state(1).rank == 2);
  CHECK(d.state(1).good == ~0u);
  CHECK(d.chip.erased == 4);
  // Again: nothing to do.
  const unsigned programmed = d.chip.programmed;
  CHECK(d.activate(1).status == RDU_STATUS_OK);
  CHECK(d.chip.programmed == programmed);
}

TEST_CASE("update: pages of ones are not programmed") {
  Updater d;
  std::vector<uint8_t> bytes(4096, 0xff);
  bytes[700] = 0;
  REQUIRE(d.write(1, 4096, bytes).status == RDU_STATUS_OK);
  CHECK(d.chip.programmed == 1);
  CHECK(d.chip.erased == 1);
  CHECK(d.write(1, 8192, {1, 2, 3}).status == RDU_STATUS_OK);
  CHECK(d.chip.flash[RDU_FLASH_SLOT(1, kFlash) + 8192 + 2] == 3);
  CHECK(d.chip.flash[RDU_FLASH_SLOT(1, kFlash) + 8192 + 3] == 0xff);
}

TEST_CASE("update: what makes no sense is refused, and nothing is written") {
  Updater d;
  const std::vector<uint8_t> some(16, 0);
  CHECK(d.write(0, 0, some).status == RDU_STATUS_IN_USE);
  CHECK(d.write(2, 0, some).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.write(1, 1, some).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.write(1, kSlot, some).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.write(1, ~uint64_t{4095}, some).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(0, RDU_ADMIN_FW_WRITE, 0, {1, 0, 0, 0}).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(0, RDU_ADMIN_FW_WRITE, 0, {1, 0, 0, 4097}).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(0, RDU_ADMIN_FW_WRITE, 0, {1, 0, ~uint64_t{0}, 16}).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(d.call(0, RDU_ADMIN_FW_WRITE, 0, {1, 0, FakeChip::kHostBytes, 16}).status == RDU_STATUS_COPY_DENIED);
  CHECK(d.activate(2).status == RDU_STATUS_BAD_ARGUMENT);
  CHECK(std::all_of(d.chip.flash.begin(), d.chip.flash.end(), [](uint8_t b) { return b == 0xff; }));
  d.chip.flash_error = RDU_FLASH_CTL_STATUS_ERROR_PROTECTED;
  const rdu_cqe cqe = d.write(1, 0, some);
  CHECK(cqe.status == RDU_STATUS_FLASH);
  CHECK(cqe.result == RDU_FLASH_CTL_STATUS_ERROR_PROTECTED);
  d.chip.flash_error = 0;
  CHECK(d.write(1, 0, some).status == RDU_STATUS_OK);
}

TEST_CASE("update: only what the boot ROM would start can be activated") {
  Updater d;
  const auto refused = [&] {
    const rdu_cqe cqe = d.activate(1);
    CHECK(cqe.status == RDU_STATUS_BAD_IMAGE);
    return cqe.result;
  };
  CHECK(refused() == RDU_BOOT_NO_IMAGE);
  auto image = make_image(signed_image());
  image[1000] ^= 1;
  d.write_image(1, image);
  CHECK(refused() == RDU_BOOT_BAD_DIGEST);
  ImageOptions o = signed_image();
  o.signer = nullptr;
  d.write_image(1, make_image(o));
  CHECK(refused() == RDU_BOOT_UNSIGNED);
  d.chip.reg(RDU_BASE_FUSES + RDU_FUSES_SECURITY) = 0;
  CHECK(d.activate(1).status == RDU_STATUS_OK);
  d.chip.reg(RDU_BASE_FUSES + RDU_FUSES_ROLLBACK(0)) = 1;
  CHECK(refused() == RDU_BOOT_ROLLED_BACK);
}

TEST_CASE("update: going back to the other slot, and a new chance for one that was given up") {
  Updater d(1);
  const auto image = make_image(signed_image());
  d.write_image(0, image);
  d.set_state(0, {3, 0, ~0u, ~0u});
  d.set_state(1, {4, 0, ~0u, ~0u});
  REQUIRE(d.activate(0).status == RDU_STATUS_OK);
  CHECK(d.state(0).rank == 5);
  CHECK(d.state(0).good == 0);  // it still is
  d.set_state(0, {6, ~0u, 0xfffffff8, ~0u});
  REQUIRE(d.activate(0).status == RDU_STATUS_OK);
  CHECK(d.state(0).rank == 5);
  CHECK(d.state(0).attempts == ~0u);
}

TEST_CASE("update: a boot that ends well is remembered, once") {
  FakeChip chip;
  chip.reg(hostctl(RDU_HOSTCTL_BOOT)) = RDU_HOSTCTL_BOOT_SOURCE_SLOT1;
  boot();
  chip.run();
  rdu_slot_state state;
  std::memcpy(&state, chip.flash.data() + RDU_FLASH_STATE(1), sizeof state);
  CHECK(state.good == RDU_SLOT_GOOD);
  CHECK(state.rank == 1);
  CHECK(chip.programmed == 1);
  boot();
  chip.run();
  CHECK(chip.programmed == 1);
  chip.reg(hostctl(RDU_HOSTCTL_BOOT)) = RDU_HOSTCTL_BOOT_SOURCE_RECOVERY;
  boot();
  chip.run();
  CHECK(chip.programmed == 1);
}

TEST_CASE("update: a host that leaves in mid-write harms nobody") {
  for (int steps = 0; steps < 24; ++steps) {
    INFO(steps << " steps");
    Updater d;
    std::fill_n(d.chip.host(0xe0000), 4096, 0x33);
    d.push(0, RDU_ADMIN_FW_WRITE, 0, {1, 0, 0xe0000, 4096});
    d.ring(0);
    for (int n = 0; n < steps; ++n) {
      service();
      d.chip.step();
    }
    d.chip.reset_by_host();
    d.chip.run();
    d.enable();
    const auto image = make_image(signed_image());
    d.write_image(1, image);
    REQUIRE(d.contents(1, image.size()) == image);
    REQUIRE(d.activate(1).status == RDU_STATUS_OK);
  }
}

TEST_CASE("update: the log page tells what lies in the slots") {
  Updater d;
  ImageOptions o = signed_image();
  o.version = 0x010203;
  d.write_image(1, make_image(o));
  d.chip.reg(RDU_BASE_FUSES + RDU_FUSES_SERIAL) = 77;
  d.chip.reg(hostctl(RDU_HOSTCTL_SLOT(0))) = 2;
  rdu_log_firmware page;
  const rdu_cqe cqe = d.call(0, RDU_ADMIN_READ_LOG, 0, {RDU_LOG_FIRMWARE, 0xe0000, sizeof page, 0});
  REQUIRE(cqe.status == RDU_STATUS_OK);
  REQUIRE(cqe.result == sizeof page);
  std::memcpy(&page, d.chip.host(0xe0000), sizeof page);
  CHECK(page.serial == 77);
  CHECK(page.secure_boot == 1);
  CHECK(page.slot_bytes == kSlot);
  CHECK(page.boot == RDU_HOSTCTL_BOOT_SOURCE_SLOT0);
  CHECK(std::memcmp(page.key, kOurs.key, 32) == 0);
  CHECK(page.slots[0].boot == 2);
  CHECK(page.slots[0].error == RDU_BOOT_NO_IMAGE);
  CHECK(page.slots[1].error == RDU_BOOT_OK);
  CHECK(page.slots[1].version == 0x010203);
  CHECK(page.slots[1].is_signed == 1);
  CHECK(std::string(page.slots[1].name) == "test");
}
