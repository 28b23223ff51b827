#include <cstdio>
#include <fstream>
#include <map>

#include "boot_image.h"
#include "regs/hostif.h"
#include "regs/sysctl.h"
#include "test/catch.h"
#include "tools/fw/device.h"
#include "tools/fw/error.h"
#include "tools/fw/image_file.h"
#include "tools/fw/listing.h"
#include "user/vfio_user_client.h"

using namespace rdu;
using namespace rdu::fw;
using Catch::Matchers::Contains;
using firmware::ImageOptions;
using firmware::KeyPair;
using firmware::make_image;

namespace {

const KeyPair kOurs(1), kOther(2);

PublicKey ours() {
  PublicKey key;
  std::copy(std::begin(kOurs.key), std::end(kOurs.key), key.begin());
  return key;
}

/// A file that goes away with the test.
struct File {
  std::string path = "test_fw.img";
  explicit File(const std::vector<uint8_t>& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  ~File() { std::remove(path.c_str()); }
};

std::vector<uint8_t> signed_image(const KeyPair* signer, uint32_t rollback = 0) {
  ImageOptions o;
  o.signer = signer;
  o.rollback = rollback;
  return make_image(o);
}

/// A chip in recovery: registers, and what its ROM does with START.
struct FakeBus : user::Bus {
  std::map<uint64_t, uint64_t> registers;
  std::function<void()> on_start;
  std::map<uint64_t, const user::HostMemory*> windows;
  uint16_t command = 0;

  FakeBus() {
    registers[RDU_HOSTIF_MAGIC] = RDU_HOSTIF_MAGIC_RESET;
    stage(RDU_SYSCTL_BOOT_STAGE_STAGE_RECOVERY, RDU_BOOT_BAD_DIGEST);
    recovery(RDU_HOSTIF_RECOVERY_STATUS_STATE_WAITING, 0);
  }
  void stage(uint32_t stage, uint32_t error, uint32_t bits = 0) {
    registers[RDU_HOSTIF_CSTS] =
        stage << RDU_HOSTIF_CSTS_STAGE_SHIFT | error << RDU_HOSTIF_CSTS_ERROR_SHIFT | bits;
  }
  void recovery(uint32_t state, uint32_t error) {
    registers[RDU_HOSTIF_RECOVERY_STATUS] = state | error << RDU_HOSTIF_RECOVERY_STATUS_ERROR_SHIFT;
  }

  uint64_t bar0_size() override { return RDU_HOSTIF_BLOCK_SIZE; }
  uint32_t read32(uint64_t offset) override { return static_cast<uint32_t>(registers[offset]); }
  uint64_t read64(uint64_t offset) override { return registers[offset]; }
  void write32(uint64_t offset, uint32_t value) override {
    registers[offset] = value;
    if (offset == RDU_HOSTIF_RECOVERY_COMMAND && on_start) on_start();
  }
  void write64(uint64_t offset, uint64_t value) override { registers[offset] = value; }
  void post32(uint64_t offset, uint32_t value) override { write32(offset, value); }
  uint8_t* bar2() override { return nullptr; }
  uint64_t bar2_size() override { return 0; }
  uint8_t config_read8(uint32_t) override { return 0; }
  uint16_t config_read16(uint32_t) override { return command; }
  void config_write16(uint32_t, uint16_t value) override { command = value; }
  void map(const user::HostMemory& memory, uint64_t address) override { windows[address] = &memory; }
  void unmap(uint64_t address, uint64_t) override { windows.erase(address); }
  uint32_t vectors() override { return 16; }
  void enable_vectors(uint32_t) override {}
  void disable_vectors() override {}
  uint64_t wait_vector(uint32_t, user::Milliseconds) override { return 0; }
  void raise_vector(uint32_t) noexcept override {}
  int vector_fd(uint32_t) override { return -1; }
  int loss_fd() override { return -1; }
};

struct Chip {
  FakeBus* bus = new FakeBus;
  BusFirmwareDevice device{std::unique_ptr<user::Bus>(bus), user::Milliseconds(200), {}};
};

const FirmwareDevice::Progress kQuiet = [](uint64_t, uint64_t) {};

}  // namespace

TEST_CASE("rdu-fw: images are judged as the chip would") {
  {
    const File file(signed_image(&kOurs, 3));
    const ImageFile read = read_image(file.path, ours(), true, 3);
    CHECK(read.authentic);
    CHECK_THAT(image_line(read), Contains("test 1.0.0, rollback version 3"));
    CHECK_THROWS_WITH(read_image(file.path, ours(), true, 4), Contains("rollback"));
  }
  {
    const File file(signed_image(nullptr));
    CHECK_THROWS_WITH(read_image(file.path, ours(), true, 0), Contains("not signed"));
    CHECK_FALSE(read_image(file.path, ours(), false, 0).is_signed);
  }
  {
    const File file(signed_image(&kOther));
    CHECK_THROWS_WITH(read_image(file.path, ours(), true, 0), Contains("another key"));
    CHECK_THAT(image_line(read_image(file.path, ours(), false, 0)), Contains("another key"));
  }
  {
    const File file({'R', 'D', 'U', 'I'});
    CHECK_THROWS_WITH(read_image(file.path, ours(), true, 0), Contains("no firmware image"));
  }
  auto bytes = signed_image(&kOurs);
  bytes.push_back(0);
  const File longer(bytes);
  CHECK_THROWS_WITH(read_image(longer.path, ours(), true, 0), Contains("its header says"));
  CHECK_THROWS_WITH(read_image("nonexistent.img", ours(), true, 0), Contains("No such file"));
}

TEST_CASE("rdu-fw: keys are files or digits") {
  CHECK(public_key(std::string(62, '0') + "1f")[31] == 0x1f);
  CHECK(public_key("development") != PublicKey{});
  const File file({'0', '1', '\n'});
  CHECK_THROWS_WITH(public_key(file.path), Contains("64 hexadecimal digits"));
}

TEST_CASE("rdu-fw: recovery") {
  Chip chip;
  const auto bytes = signed_image(&kOurs);
  std::vector<uint8_t> got;
  chip.bus->on_start = [&] {
    FakeBus& b = *chip.bus;
    CHECK((b.command & 6) == 6);
    const auto window = b.windows.at(b.registers[RDU_HOSTIF_RECOVERY_ADDRESS]);
    got.assign(window->data(), window->data() + b.registers[RDU_HOSTIF_RECOVERY_LENGTH]);
    b.recovery(RDU_HOSTIF_RECOVERY_STATUS_STATE_BOOTING, 0);
    b.stage(RDU_SYSCTL_BOOT_STAGE_STAGE_READY, 0, RDU_HOSTIF_CSTS_FW_MASK);
  };
  chip.device.recover(bytes, kQuiet);
  CHECK(got == bytes);
  CHECK(chip.bus->windows.empty());
  CHECK((chip.bus->command & 4) == 0);
}

TEST_CASE("rdu-fw: recovery that fails says why") {
  const auto bytes = signed_image(&kOurs);
  SECTION("refused") {
    Chip chip;
    chip.bus->on_start = [&] {
      chip.bus->recovery(RDU_HOSTIF_RECOVERY_STATUS_STATE_REFUSED, RDU_BOOT_ROLLED_BACK);
    };
    CHECK_THROWS_WITH(chip.device.recover(bytes, kQuiet),
                      Contains("refused the image: the image's rollback"));
    CHECK(chip.bus->windows.empty());
  }
  SECTION("an older refusal is not this one's") {
    Chip chip;
    chip.bus->recovery(RDU_HOSTIF_RECOVERY_STATUS_STATE_REFUSED, RDU_BOOT_ROLLED_BACK);
    chip.bus->on_start = [&] {
      chip.bus->registers[RDU_HOSTIF_RECOVERY_STATUS] |= RDU_HOSTIF_RECOVERY_STATUS_PENDING_MASK;
    };
    CHECK_THROWS_AS(chip.device.recover(bytes, kQuiet), user::Timeout);
  }
  SECTION("not in recovery") {
    Chip chip;
    chip.bus->recovery(RDU_HOSTIF_RECOVERY_STATUS_STATE_UNUSED, 0);
    chip.bus->stage(RDU_SYSCTL_BOOT_STAGE_STAGE_READY, 0, RDU_HOSTIF_CSTS_FW_MASK);
    CHECK_THROWS_WITH(chip.device.recover(bytes, kQuiet), Contains("not in recovery"));
  }
  SECTION("firmware that does not come up") {
    Chip chip;
    chip.bus->on_start = [&] {
      chip.bus->recovery(RDU_HOSTIF_RECOVERY_STATUS_STATE_BOOTING, 0);
      chip.bus->stage(RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED, RDU_BOOT_HBM_TRAINING);
    };
    CHECK_THROWS_WITH(chip.device.recover(bytes, kQuiet), Contains("HBM training failed"));
  }
  SECTION("no RDU") {
    auto bus = std::make_unique<FakeBus>();
    bus->registers[RDU_HOSTIF_MAGIC] = 1;
    CHECK_THROWS_WITH(BusFirmwareDevice(std::move(bus), user::Milliseconds(10), {}), Contains("no RDU"));
  }
}

TEST_CASE("rdu-fw: what it prints") {
  BootStatus s;
  s.stage = RDU_SYSCTL_BOOT_STAGE_STAGE_RECOVERY;
  s.error = RDU_BOOT_BAD_SIGNATURE;
  s.slots[1] = RDU_HOSTIF_SLOT_STATE_REFUSED | RDU_BOOT_BAD_SIGNATURE << RDU_HOSTIF_SLOT_ERROR_SHIFT;
  const std::string text = status_listing(s);
  CHECK_THAT(text, Contains("RECOVERY: the image's signature is wrong"));
  CHECK_THAT(text, Contains("slot 1 at boot    refused: the image's signature is wrong"));
  CHECK_THAT(text, !Contains("slot 0"));
  rdu_log_firmware f{};
  f.slots[0] = {0, RDU_BOOT_OK, 0x010203, 4, 5000, 1, 1, 1, 0, 0, "one"};
  f.slots[1].error = RDU_BOOT_NO_IMAGE;
  f.boot = RDU_HOSTIF_BOOT_SOURCE_SLOT0;
  const std::string slots = firmware_listing(f);
  CHECK_THAT(
      slots,
      Contains("one 1.2.3, 5000 bytes, rollback version 4, signed, known to be good; runs; boots next"));
  CHECK_THAT(slots, Contains("slot 1            empty"));
}
