#include "fake_chip.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#define _Noreturn [[noreturn]]  // C's word
extern "C" {
#include "hal/cpu.h"
#include "hal/flash.h"
#include "hal/mmio.h"
#include "mgmt/panic.h"
#include "mgmt/service.h"
}
#include "regs/address_map.h"
#include "regs/clint.h"
#include "regs/copy_engine.h"
#include "regs/crypto.h"
#include "regs/flash_ctl.h"
#include "regs/hostctl.h"
#include "regs/linkctl.h"
#include "regs/memctl.h"
#include "regs/plic.h"
#include "regs/sensors.h"
#include "regs/sequencer.h"
#include "regs/slb.h"
#include "regs/sysctl.h"
#include "regs/uart.h"
#include "regs/watchdog.h"

namespace rdu::firmware {

namespace {

FakeChip* chip_now = nullptr;

constexpr uint64_t kStepNs = 1000;
constexpr uint64_t kTileStride = RDU_BASE_SEQUENCER1 - RDU_BASE_SEQUENCER0;
constexpr uint64_t kChannelStride = RDU_COPY_ENGINE_CHANNEL_SRC(1) - RDU_COPY_ENGINE_CHANNEL_SRC(0);

bool in(uint64_t address, uint64_t base, uint64_t size) {
  return address >= base && address - base < size;
}

}  // namespace

FakeChip::FakeChip() : host_memory_(kHostBytes) {
  chip_now = this;
  reg(RDU_BASE_SYSCTL + RDU_SYSCTL_CHIP_ID) = RDU_SYSCTL_CHIP_ID_RESET;
  reg(RDU_BASE_SYSCTL + RDU_SYSCTL_RAM_SIZE) = 8u << 20;
  reg(RDU_BASE_SYSCTL + RDU_SYSCTL_TILES) = 2;
  reg(RDU_BASE_SYSCTL + RDU_SYSCTL_TILE_SHAPE) = 3 | 5 << 8;
  reg(RDU_BASE_SEQUENCER0 + RDU_SEQUENCER_UNITS) = 3 | 5 << 8 | 6u << 16;
  reg(RDU_BASE_FLASH_CTL + RDU_FLASH_CTL_SIZE) = kFlashBytes;
  for (const auto& [control, bytes] :
       {std::pair{RDU_BASE_HBM_CTL, kHbmBytes}, std::pair{RDU_BASE_DDR_CTL, kDdrBytes}}) {
    reg(control + RDU_MEMCTL_SIZE) = bytes;
    reg(control + RDU_MEMCTL_CHANNELS) = 4;
    reg(control + RDU_MEMCTL_BANDWIDTH) = 100'000'000'000;
  }
}

FakeChip::~FakeChip() {
  chip_now = nullptr;
}

uint64_t FakeChip::value(uint64_t address) const {
  const auto found = registers_.find(address);
  return found == registers_.end() ? 0 : found->second;
}

uint32_t FakeChip::lines() const {
  uint32_t lines = 0;
  const auto line = [&lines](unsigned source, bool level) { lines |= uint32_t{level} << source; };
  line(RDU_IRQ_HOSTCTL,
       value(RDU_BASE_HOSTCTL + RDU_HOSTCTL_IRQ_STATUS) & value(RDU_BASE_HOSTCTL + RDU_HOSTCTL_IRQ_ENABLE));
  for (unsigned n = 0; n < 4; ++n) {
    line(RDU_IRQ_COPY_ENGINE, value(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_CHANNEL_STATUS(n)) &
                                      RDU_COPY_ENGINE_CHANNEL_STATUS_DONE_MASK &&
                                  value(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_ENABLE) >> n & 1);
    const uint64_t sequencer = RDU_BASE_SEQUENCER0 + n * kTileStride;
    line(RDU_IRQ_SEQUENCER0 + n, value(sequencer + RDU_SEQUENCER_STATUS) & RDU_SEQUENCER_STATUS_DONE_MASK &&
                                     value(sequencer + RDU_SEQUENCER_IRQ_ENABLE));
  }
  for (const auto& [source, base] :
       {std::pair{RDU_IRQ_HBM_CTL, RDU_BASE_HBM_CTL}, std::pair{RDU_IRQ_DDR_CTL, RDU_BASE_DDR_CTL}}) {
    const uint64_t irq = value(base + RDU_MEMCTL_IRQ);
    line(source, (irq & RDU_MEMCTL_IRQ_DONE_MASK && irq & RDU_MEMCTL_IRQ_ENABLE_MASK) ||
                     (irq & RDU_MEMCTL_IRQ_ECC_ENABLE_MASK && value(base + RDU_MEMCTL_ECC_STATUS)));
  }
  line(RDU_IRQ_FLASH_CTL, value(RDU_BASE_FLASH_CTL + RDU_FLASH_CTL_STATUS) & RDU_FLASH_CTL_STATUS_DONE_MASK &&
                              value(RDU_BASE_FLASH_CTL + RDU_FLASH_CTL_IRQ_ENABLE));
  line(RDU_IRQ_CRYPTO, value(RDU_BASE_CRYPTO + RDU_CRYPTO_STATUS) & RDU_CRYPTO_STATUS_DONE_MASK &&
                           value(RDU_BASE_CRYPTO + RDU_CRYPTO_IRQ_ENABLE));
  line(RDU_IRQ_SENSORS, sensors_interrupting() != 0);
  line(RDU_IRQ_LINK_CTL, links_interrupting() != 0);
  line(RDU_IRQ_WATCHDOG, value(RDU_BASE_WATCHDOG + RDU_WATCHDOG_STATUS));
  return lines & static_cast<uint32_t>(value(RDU_BASE_PLIC + RDU_PLIC_ENABLE(0)));
}

uint32_t FakeChip::sensors_interrupting() const {
  uint32_t sensors = 0;
  for (unsigned n = 0; n < RDU_SENSORS_SENSOR_ENTRIES; ++n)
    if (value(RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_STATUS(n)) &
        value(RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_IRQ_ENABLE(n)))
      sensors |= 1u << n;
  return sensors;
}

uint32_t FakeChip::links_interrupting() const {
  constexpr uint64_t kBoth = RDU_LINKCTL_LINK_IRQ_DONE_MASK | RDU_LINKCTL_LINK_IRQ_ENABLE_MASK;
  uint32_t links = 0;
  for (unsigned n = 0; n < RDU_LINKCTL_LINK_ENTRIES; ++n)
    if ((value(RDU_BASE_LINK_CTL + RDU_LINKCTL_LINK_IRQ(n)) & kBoth) == kBoth) links |= 1u << n;
  return links;
}

void FakeChip::set_temperature(unsigned sensor, int32_t millicelsius) {
  const auto threshold = [&](uint64_t offset) {
    return static_cast<int32_t>(value(RDU_BASE_SENSORS + offset));
  };
  reg(RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_TEMPERATURE(sensor)) = static_cast<uint32_t>(millicelsius);
  uint64_t& status = reg(RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_STATUS(sensor));
  if (millicelsius < threshold(RDU_SENSORS_SENSOR_LOW(sensor))) status |= RDU_SENSORS_SENSOR_STATUS_LOW_MASK;
  if (millicelsius > threshold(RDU_SENSORS_SENSOR_HIGH(sensor)))
    status |= RDU_SENSORS_SENSOR_STATUS_HIGH_MASK;
  if (millicelsius > threshold(RDU_SENSORS_SENSOR_CRITICAL(sensor)))
    status |= RDU_SENSORS_SENSOR_STATUS_CRITICAL_MASK;
}

void FakeChip::find_error(uint64_t control, bool corrected, uint64_t offset) {
  ++reg(control + (corrected ? RDU_MEMCTL_ECC_CORRECTED : RDU_MEMCTL_ECC_UNCORRECTED));
  reg(control + RDU_MEMCTL_ECC_ADDRESS) = offset;
  reg(control + RDU_MEMCTL_ECC_STATUS) |=
      corrected ? RDU_MEMCTL_ECC_STATUS_CORRECTED_MASK : RDU_MEMCTL_ECC_STATUS_UNCORRECTED_MASK;
}

void FakeChip::end_link(unsigned link, uint32_t status) {
  reg(RDU_BASE_LINK_CTL + RDU_LINKCTL_LINK_STATUS(link)) = status;
  reg(RDU_BASE_LINK_CTL + RDU_LINKCTL_LINK_IRQ(link)) |= RDU_LINKCTL_LINK_IRQ_DONE_MASK;
}

/// Sensors, links, watchdog, system control; false for any other address.
bool FakeChip::write_small_block(uint64_t address, uint64_t value) {
  for (unsigned n = 0; n < RDU_SENSORS_SENSOR_ENTRIES; ++n) {
    if (address != RDU_BASE_SENSORS + RDU_SENSORS_SENSOR_STATUS(n)) continue;
    reg(address) &= ~value;
    return true;
  }
  for (unsigned n = 0; n < RDU_LINKCTL_LINK_ENTRIES; ++n) {
    if (address == RDU_BASE_LINK_CTL + RDU_LINKCTL_LINK_IRQ(n)) {
      reg(address) = (reg(address) & ~value & RDU_LINKCTL_LINK_IRQ_DONE_MASK) |
                     (value & RDU_LINKCTL_LINK_IRQ_ENABLE_MASK);
      return true;
    }
    if (address != RDU_BASE_LINK_CTL + RDU_LINKCTL_LINK_CONTROL(n)) continue;
    uint64_t& status = reg(RDU_BASE_LINK_CTL + RDU_LINKCTL_LINK_STATUS(n));
    status = RDU_LINKCTL_LINK_STATUS_STATE_DOWN;
    if (value & RDU_LINKCTL_LINK_CONTROL_TRAIN_MASK) {
      status = RDU_LINKCTL_LINK_STATUS_STATE_POLLING;
      if (!link_outcomes[n].empty()) operations_.push_back({n, Operation::link});
    }
    return true;
  }
  if (address == RDU_BASE_WATCHDOG + RDU_WATCHDOG_KICK) {
    if (value != RDU_WATCHDOG_KICK_VALUE_KEY && value != RDU_WATCHDOG_KICK_VALUE_WAIT)
      throw std::logic_error("the watchdog was kicked with a wrong key");
    ++kicks;
    return true;
  }
  if (address == RDU_BASE_WATCHDOG + RDU_WATCHDOG_STATUS) {
    reg(address) &= ~value;
    return true;
  }
  if (address == RDU_BASE_SYSCTL + RDU_SYSCTL_RESET) {
    core_resets.push_back(static_cast<uint32_t>(value));
    return true;
  }
  return false;
}

uint64_t FakeChip::read(uint64_t address) {
  switch (address) {
    case RDU_BASE_UART0 + RDU_UART_LSR:
      return RDU_UART_LSR_THRE_MASK;
    case RDU_BASE_SENSORS + RDU_SENSORS_IRQ_STATUS:
      return sensors_interrupting();
    case RDU_BASE_LINK_CTL + RDU_LINKCTL_IRQ_STATUS:
      return links_interrupting();
    case RDU_BASE_CLINT + RDU_CLINT_MTIME:
      return now_ns_ / 100;
    case RDU_BASE_PLIC + RDU_PLIC_CONTEXT_CLAIM(0): {
      const uint32_t pending = lines() & ~in_service_;
      if (!pending) return 0;
      const auto source = static_cast<uint32_t>(__builtin_ctz(pending));
      in_service_ |= 1u << source;
      return source;
    }
    case RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_STATUS: {
      uint64_t ended = 0;
      for (unsigned n = 0; n < 4; ++n)
        if (value(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_CHANNEL_STATUS(n)) &
            RDU_COPY_ENGINE_CHANNEL_STATUS_DONE_MASK)
          ended |= 1u << n;
      return ended;
    }
    default:
      return value(address);
  }
}

void FakeChip::write(uint64_t address, uint64_t value) {
  if (address == RDU_BASE_UART0 + RDU_UART_RBR_THR) {
    if (value != '\r') console += static_cast<char>(value);
  } else if (address == RDU_BASE_CLINT + RDU_CLINT_MTIMECMP(0)) {
    timer_ticks_ = value;
  } else if (address == RDU_BASE_PLIC + RDU_PLIC_CONTEXT_CLAIM(0)) {
    in_service_ &= ~(1u << value);
  } else if (in(address, RDU_BASE_HOSTCTL, RDU_SIZE_HOSTCTL)) {
    write_hostctl(address - RDU_BASE_HOSTCTL, value);
  } else if (in(address, RDU_BASE_COPY_ENGINE, RDU_SIZE_COPY_ENGINE)) {
    write_copy_engine(address - RDU_BASE_COPY_ENGINE, value);
  } else if (in(address, RDU_BASE_SEQUENCER0, 4 * kTileStride)) {
    const uint64_t base = RDU_BASE_SEQUENCER0 + (address - RDU_BASE_SEQUENCER0) / kTileStride * kTileStride;
    write_sequencer(base, address - base, value);
  } else if (in(address, RDU_BASE_HBM_CTL, RDU_SIZE_HBM_CTL)) {
    write_memctl(RDU_BASE_HBM_CTL, address - RDU_BASE_HBM_CTL, value);
  } else if (in(address, RDU_BASE_FLASH_CTL, RDU_SIZE_FLASH_CTL)) {
    write_flash_ctl(address - RDU_BASE_FLASH_CTL, value);
  } else if (in(address, RDU_BASE_CRYPTO, RDU_SIZE_CRYPTO)) {
    write_crypto(address - RDU_BASE_CRYPTO, value);
  } else if (in(address, RDU_BASE_DDR_CTL, RDU_SIZE_DDR_CTL)) {
    write_memctl(RDU_BASE_DDR_CTL, address - RDU_BASE_DDR_CTL, value);
  } else if (!write_small_block(address, value)) {
    if (address == RDU_BASE_SYSCTL + RDU_SYSCTL_TRACE_TAG) tags.push_back(static_cast<uint32_t>(value));
    reg(address) = value;
  }
}

void FakeChip::write_hostctl(uint64_t offset, uint64_t value) {
  uint64_t& target = reg(RDU_BASE_HOSTCTL + offset);
  if (offset == RDU_HOSTCTL_IRQ_STATUS || offset == RDU_HOSTCTL_SQ_PENDING) {
    target &= ~value;
    return;
  }
  target = value;
  if (offset == RDU_HOSTCTL_MSIX_TRIGGER) interrupts.push_back(static_cast<unsigned>(value));
  if (offset == RDU_HOSTCTL_HOST_RESET_DONE) ++reset_answers;
  for (unsigned n = 0; n < RDU_HOSTCTL_QUEUE_ENTRIES; ++n) {
    if (offset != RDU_HOSTCTL_QUEUE_SIZE(n)) continue;
    reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_QUEUE_SQ_TAIL(n)) = 0;
    reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_QUEUE_CQ_HEAD(n)) = 0;
  }
}

void FakeChip::abort(uint64_t base) {
  for (Operation& operation : operations_) {
    if (operation.base != base) continue;
    operation.aborted = true;
    ++aborts;
  }
}

void FakeChip::write_copy_engine(uint64_t offset, uint64_t value) {
  for (unsigned n = 0; n < 4; ++n) {
    const uint64_t base = RDU_BASE_COPY_ENGINE + n * kChannelStride;
    if (offset == RDU_COPY_ENGINE_CHANNEL_STATUS(n)) {
      reg(base + RDU_COPY_ENGINE_CHANNEL_STATUS(0)) &=
          ~(value & (RDU_COPY_ENGINE_CHANNEL_STATUS_DONE_MASK | RDU_COPY_ENGINE_CHANNEL_STATUS_ERROR_MASK));
      return;
    }
    if (offset != RDU_COPY_ENGINE_CHANNEL_CONTROL(n)) continue;
    reg(RDU_BASE_COPY_ENGINE + offset) = value;
    if (value & RDU_COPY_ENGINE_CHANNEL_CONTROL_ABORT_MASK) abort(base);
    if (value & RDU_COPY_ENGINE_CHANNEL_CONTROL_START_MASK) {
      uint64_t& status = reg(base + RDU_COPY_ENGINE_CHANNEL_STATUS(0));
      if (status & RDU_COPY_ENGINE_CHANNEL_STATUS_BUSY_MASK)
        throw std::logic_error("channel started while busy");
      status = RDU_COPY_ENGINE_CHANNEL_STATUS_BUSY_MASK;
      reg(base + RDU_COPY_ENGINE_CHANNEL_START_TIME(0)) = now_ns_;
      operations_.push_back({base, Operation::copy});
    }
    return;
  }
  reg(RDU_BASE_COPY_ENGINE + offset) = value;
}

void FakeChip::write_flash_ctl(uint64_t offset, uint64_t value) {
  uint64_t& status = reg(RDU_BASE_FLASH_CTL + RDU_FLASH_CTL_STATUS);
  if (offset == RDU_FLASH_CTL_STATUS) {
    status &= ~(value & RDU_FLASH_CTL_STATUS_DONE_MASK);
    return;
  }
  reg(RDU_BASE_FLASH_CTL + offset) = value;
  if (offset != RDU_FLASH_CTL_COMMAND) return;
  if (status & RDU_FLASH_CTL_STATUS_BUSY_MASK) throw std::logic_error("flash operation started while busy");
  status = RDU_FLASH_CTL_STATUS_BUSY_MASK;
  operations_.push_back({RDU_BASE_FLASH_CTL, Operation::flash});
}

void FakeChip::end_flash() {
  const auto get = [this](uint64_t offset) { return value(RDU_BASE_FLASH_CTL + offset); };
  const uint64_t at = get(RDU_FLASH_CTL_ADDRESS), bytes = get(RDU_FLASH_CTL_LENGTH);
  if (flash_error == 0 && get(RDU_FLASH_CTL_COMMAND) == RDU_FLASH_CTL_COMMAND_OP_ERASE_SECTOR) {
    if (at >= kFlashBytes) throw std::logic_error("erases outside the flash");
    std::fill_n(flash.begin() + static_cast<long>(at / 4096 * 4096), 4096, 0xff);
    ++erased;
  } else if (flash_error == 0) {
    if (bytes == 0 || at % 256 + bytes > 256 || at + bytes > kFlashBytes)
      throw std::logic_error("programs what is no part of a page");
    for (uint64_t n = 0; n < bytes; ++n)
      flash[at + n] &= static_cast<uint8_t>(get(RDU_FLASH_CTL_BUFFER(n / 4)) >> 8 * (n % 4));
    ++programmed;
  }
  reg(RDU_BASE_FLASH_CTL + RDU_FLASH_CTL_STATUS) =
      RDU_FLASH_CTL_STATUS_DONE_MASK | FIELD(RDU_FLASH_CTL_STATUS_ERROR, flash_error);
}

void FakeChip::write_crypto(uint64_t offset, uint64_t value) {
  uint64_t& status = reg(RDU_BASE_CRYPTO + RDU_CRYPTO_STATUS);
  if (offset == RDU_CRYPTO_STATUS) {
    status &= ~(value & RDU_CRYPTO_STATUS_DONE_MASK);
    return;
  }
  reg(RDU_BASE_CRYPTO + offset) = value;
  if (offset != RDU_CRYPTO_COMMAND) return;
  if (status & RDU_CRYPTO_STATUS_BUSY_MASK) throw std::logic_error("cryptography started while busy");
  status = RDU_CRYPTO_STATUS_BUSY_MASK;
  operations_.push_back({RDU_BASE_CRYPTO, Operation::crypto});
}

void FakeChip::end_crypto() {
  const auto bytes_at = [this](uint64_t offset, size_t count) {
    std::vector<uint8_t> bytes(count);
    for (size_t n = 0; n < count; ++n)
      bytes[n] = static_cast<uint8_t>(value(RDU_BASE_CRYPTO + offset + n / 4 * 4) >> 8 * (n % 4));
    return bytes;
  };
  const auto* data = reinterpret_cast<const uint8_t*>(value(RDU_BASE_CRYPTO + RDU_CRYPTO_SOURCE));
  const uint64_t length = value(RDU_BASE_CRYPTO + RDU_CRYPTO_LENGTH);
  uint32_t status = RDU_CRYPTO_STATUS_DONE_MASK;
  if (value(RDU_BASE_CRYPTO + RDU_CRYPTO_COMMAND) == RDU_CRYPTO_COMMAND_OP_SHA256) {
    uint8_t digest[32];
    crypto_hash_sha256(digest, data, length);
    for (unsigned n = 0; n < 8; ++n) {
      uint32_t word;
      std::memcpy(&word, digest + 4 * n, 4);
      reg(RDU_BASE_CRYPTO + RDU_CRYPTO_DIGEST(n)) = word;
    }
  } else if (crypto_sign_verify_detached(bytes_at(RDU_CRYPTO_SIGNATURE(0), 64).data(), data, length,
                                         bytes_at(RDU_CRYPTO_KEY(0), 32).data()) == 0) {
    status |= RDU_CRYPTO_STATUS_VALID_MASK;
  }
  reg(RDU_BASE_CRYPTO + RDU_CRYPTO_STATUS) = status;
}

void FakeChip::write_sequencer(uint64_t base, uint64_t offset, uint64_t value) {
  if (offset == RDU_SEQUENCER_STATUS) {
    reg(base + offset) &= ~(value & (RDU_SEQUENCER_STATUS_DONE_MASK | RDU_SEQUENCER_STATUS_ERROR_MASK));
    return;
  }
  reg(base + offset) = value;
  if (offset != RDU_SEQUENCER_CONTROL) return;
  commands.push_back(static_cast<uint32_t>(value));
  if (value & RDU_SEQUENCER_CONTROL_ABORT_MASK) {
    abort(base);
    return;
  }
  uint64_t& status = reg(base + RDU_SEQUENCER_STATUS);
  if (status & RDU_SEQUENCER_STATUS_STATE_MASK) throw std::logic_error("sequencer started while busy");
  status = (status & RDU_SEQUENCER_STATUS_LOADED_MASK) | RDU_SEQUENCER_STATUS_STATE_EXEC;
  reg(base + RDU_SEQUENCER_START_TIME) = now_ns_;
  operations_.push_back({base, Operation::kernel});
}

void FakeChip::write_memctl(uint64_t base, uint64_t offset, uint64_t value) {
  if (offset == RDU_MEMCTL_IRQ) {
    const uint64_t done = reg(base + offset) & ~value & RDU_MEMCTL_IRQ_DONE_MASK;
    reg(base + offset) = done | (value & (RDU_MEMCTL_IRQ_ENABLE_MASK | RDU_MEMCTL_IRQ_ECC_ENABLE_MASK));
  } else if (offset == RDU_MEMCTL_ECC_STATUS) {
    reg(base + offset) &= ~value;
  } else if (offset == RDU_MEMCTL_ECC_INJECT || offset == RDU_MEMCTL_ECC_INJECT_ADDRESS) {
    reg(base + offset) = value;
  } else if (offset == RDU_MEMCTL_CONTROL && value & RDU_MEMCTL_CONTROL_TRAIN_MASK) {
    reg(base + RDU_MEMCTL_STATUS) = RDU_MEMCTL_STATUS_BUSY_MASK;
    if (training[base] < 2) operations_.push_back({base, Operation::training});
  }
}

bool FakeChip::translate(uint64_t context, uint64_t address, uint64_t bytes, uint64_t* physical) const {
  const auto segment = static_cast<unsigned>(context * 4 + (address >> 44 & 3));
  const uint64_t offset = address & ((uint64_t{1} << 44) - 1);
  const uint64_t limit = value(RDU_BASE_SLB + RDU_SLB_SEGMENT_LIMIT(segment));
  if (address >> 46 ||
      !(value(RDU_BASE_SLB + RDU_SLB_SEGMENT_FLAGS(segment)) & RDU_SLB_SEGMENT_FLAGS_VALID_MASK) ||
      offset > limit || bytes > limit - offset)
    return false;
  *physical = value(RDU_BASE_SLB + RDU_SLB_SEGMENT_BASE(segment)) + offset;
  return true;
}

/// Host memory, device memory by page (copies in tests stay inside one), or, as management RAM, this
/// process's own memory.
uint8_t* FakeChip::place(uint64_t address, uint64_t bytes) {
  constexpr uint64_t kPage = 1 << 20;
  if (in(address, RDU_BASE_HOST, RDU_SIZE_HOST)) {
    const uint64_t bus = address - RDU_BASE_HOST;
    if (bus > kHostBytes || bytes > kHostBytes - bus) return nullptr;
    return host_memory_.data() + bus;
  }
  if (in(address, RDU_BASE_HBM, kHbmBytes) || in(address, RDU_BASE_DDR, kDdrBytes)) {
    std::vector<uint8_t>& page = device_memory_[address / kPage];
    page.resize(kPage);
    return address % kPage + bytes <= kPage ? &page[address % kPage] : nullptr;
  }
  if (address < RDU_BASE_DDR + RDU_SIZE_DDR)
    throw std::logic_error("copy to or from an address that is nothing");
  return reinterpret_cast<uint8_t*>(address);
}

/// Pages of device memory that were never touched stay away.
void FakeChip::clear(uint64_t address, uint64_t bytes) {
  if (!in(address, RDU_BASE_HBM, kHbmBytes) && !in(address, RDU_BASE_DDR, kDdrBytes))
    throw std::logic_error("clears what is no device memory");
  cleared.emplace_back(address, bytes);
  for (auto& [page, data] : device_memory_)
    for (uint64_t n = 0; n < data.size(); ++n)
      if (in(page * data.size() + n, address, bytes)) data[n] = 0;
}

void FakeChip::end_copy(const Operation& operation) {
  const uint64_t base = operation.base;
  const uint64_t control = value(base + RDU_COPY_ENGINE_CHANNEL_CONTROL(0));
  const uint64_t given_src = value(base + RDU_COPY_ENGINE_CHANNEL_SRC(0));
  const uint64_t given_dst = value(base + RDU_COPY_ENGINE_CHANNEL_DST(0));
  const uint64_t bytes = value(base + RDU_COPY_ENGINE_CHANNEL_LENGTH(0));
  const bool zero = control & RDU_COPY_ENGINE_CHANNEL_CONTROL_ZERO_MASK;
  uint64_t src = given_src, dst = given_dst, fault = 0;
  uint32_t code = RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_NONE;
  if (control & RDU_COPY_ENGINE_CHANNEL_CONTROL_TRANSLATE_MASK) {
    const uint64_t context = FIELD_GET(control, RDU_COPY_ENGINE_CHANNEL_CONTROL_CONTEXT);
    copies.emplace_back(given_dst, bytes);
    if (!zero && !translate(context, given_src, bytes, &src)) {
      code = RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_SEGMENT;
      fault = given_src;
    } else if (!translate(context, given_dst, bytes, &dst)) {
      code = RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_SEGMENT;
      fault = given_dst;
    }
  }
  if (operation.aborted) {
    code = RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_ABORTED;
  } else if (zero && code == RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_NONE) {
    clear(dst, bytes);
  } else if (code == RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_NONE && bytes > 0) {
    uint8_t* const from = place(src, bytes);
    uint8_t* const to = place(dst, bytes);
    const bool host = in(src, RDU_BASE_HOST, RDU_SIZE_HOST) || in(dst, RDU_BASE_HOST, RDU_SIZE_HOST);
    if (!from || !to || (host && !bus_master)) {
      code = RDU_COPY_ENGINE_CHANNEL_STATUS_CODE_DENIED;
      fault = from ? given_dst : given_src;
    } else {
      std::memmove(to, from, bytes);
    }
  }
  reg(base + RDU_COPY_ENGINE_CHANNEL_FAULT_ADDRESS(0)) = fault;
  reg(base + RDU_COPY_ENGINE_CHANNEL_END_TIME(0)) = now_ns_;
  reg(base + RDU_COPY_ENGINE_CHANNEL_STATUS(0)) = RDU_COPY_ENGINE_CHANNEL_STATUS_DONE_MASK |
                                                  (code ? RDU_COPY_ENGINE_CHANNEL_STATUS_ERROR_MASK : 0) |
                                                  FIELD(RDU_COPY_ENGINE_CHANNEL_STATUS_CODE, code);
}

void FakeChip::end_kernel(const Operation& operation) {
  const uint64_t base = operation.base;
  const uint64_t control = value(base + RDU_SEQUENCER_CONTROL);
  const unsigned code = operation.aborted ? RDU_SEQUENCER_FAULT_CODE_ABORTED : kernel_fault;
  uint64_t loaded = value(base + RDU_SEQUENCER_STATUS) & RDU_SEQUENCER_STATUS_LOADED_MASK;
  if (control & RDU_SEQUENCER_CONTROL_PLOAD_MASK) loaded = code ? 0 : RDU_SEQUENCER_STATUS_LOADED_MASK;
  if (control & RDU_SEQUENCER_CONTROL_SCHEDULE_MASK) loaded = RDU_SEQUENCER_STATUS_LOADED_MASK;
  if (operation.aborted) loaded = 0;
  reg(base + RDU_SEQUENCER_FAULT) = code;
  reg(base + RDU_SEQUENCER_FAULT_UNIT) = 0x01002003;
  reg(base + RDU_SEQUENCER_FAULT_ADDRESS) = 0x100000001234;
  reg(base + RDU_SEQUENCER_SCHEDULE_INDEX) = 33;
  reg(base + RDU_SEQUENCER_PLOAD_CYCLES) = 111;
  reg(base + RDU_SEQUENCER_EXEC_CYCLES) = 222;
  reg(base + RDU_SEQUENCER_END_TIME) = now_ns_;
  reg(base + RDU_SEQUENCER_STATUS) =
      RDU_SEQUENCER_STATUS_DONE_MASK | (code ? RDU_SEQUENCER_STATUS_ERROR_MASK : 0) | loaded;
}

void FakeChip::end_training(uint64_t base) {
  bool fails = training[base] != 0;
  if (failing_trainings[base] > 0) {
    --failing_trainings[base];
    fails = true;
  }
  reg(base + RDU_MEMCTL_STATUS) =
      fails ? RDU_MEMCTL_STATUS_FAILED_MASK | FIELD(RDU_MEMCTL_STATUS_PHASE, RDU_MEMCTL_STATUS_PHASE_DATA_EYE)
            : RDU_MEMCTL_STATUS_TRAINED_MASK;
  reg(base + RDU_MEMCTL_FAILED_CHANNELS) = fails ? 2 : 0;
  reg(base + RDU_MEMCTL_IRQ) |= RDU_MEMCTL_IRQ_DONE_MASK;
}

bool FakeChip::step() {
  const auto next = std::find_if(operations_.begin(), operations_.end(),
                                 [this](const Operation& o) { return o.base != hold || o.aborted; });
  if (next == operations_.end()) return false;
  now_ns_ += kStepNs;
  const Operation operation = *next;
  operations_.erase(next);
  switch (operation.kind) {
    case Operation::copy:
      end_copy(operation);
      break;
    case Operation::kernel:
      end_kernel(operation);
      break;
    case Operation::flash:
      end_flash();
      break;
    case Operation::crypto:
      end_crypto();
      break;
    case Operation::training:
      end_training(operation.base);
      break;
    case Operation::link: {
      const auto n = static_cast<unsigned>(operation.base);
      end_link(n, link_outcomes[n].front());
      link_outcomes[n].pop_front();
      break;
    }
  }
  return true;
}

void FakeChip::wait() {
  const auto external_pending = [this] { return mie_ & MIE_EXTERNAL && (lines() & ~in_service_); };
  while (!external_pending()) {
    if (mie_ & MIE_TIMER && timer_ticks_ != UINT64_MAX && operations_.empty()) {
      now_ns_ = std::max(now_ns_, timer_ticks_ * 100);
      return;
    }
    if (mie_ == 0 || !step()) throw Halted("the core sleeps for good");
  }
}

void FakeChip::run() {
  do {
    service();
  } while (step());
}

void FakeChip::set_enable(bool on) {
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_CC) = on;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_IRQ_STATUS) |= RDU_HOSTCTL_IRQ_STATUS_ENABLE_CHANGED_MASK;
}

void FakeChip::shut_down(bool abruptly) {
  const auto how = abruptly ? RDU_HOSTCTL_CC_SHN_ABRUPT : RDU_HOSTCTL_CC_SHN_NORMAL;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_CC) = RDU_HOSTCTL_CC_EN_MASK | how << RDU_HOSTCTL_CC_SHN_SHIFT;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_IRQ_STATUS) |= RDU_HOSTCTL_IRQ_STATUS_ENABLE_CHANGED_MASK;
}

void FakeChip::ring_submission(unsigned queue, uint32_t tail) {
  if (tail >= value(RDU_BASE_HOSTCTL + RDU_HOSTCTL_QUEUE_SIZE(queue))) return;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_QUEUE_SQ_TAIL(queue)) = tail;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_SQ_PENDING) |= 1u << queue;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_IRQ_STATUS) |= RDU_HOSTCTL_IRQ_STATUS_DOORBELL_MASK;
}

void FakeChip::ring_completion(unsigned queue, uint32_t head) {
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_QUEUE_CQ_HEAD(queue)) = head;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_SQ_PENDING) |= 1u << queue;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_IRQ_STATUS) |= RDU_HOSTCTL_IRQ_STATUS_DOORBELL_MASK;
}

void FakeChip::reset_by_host() {
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_CC) = 0;
  for (unsigned n = 0; n < RDU_HOSTCTL_QUEUE_ENTRIES; ++n) write_hostctl(RDU_HOSTCTL_QUEUE_SIZE(n), 0);
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_SQ_PENDING) = 0;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_IRQ_STATUS) |= RDU_HOSTCTL_IRQ_STATUS_RESET_MASK;
}

void FakeChip::request_mailbox(uint32_t request) {
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_MBOX_REQUEST) = request;
  reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_IRQ_STATUS) |= RDU_HOSTCTL_IRQ_STATUS_MAILBOX_MASK;
}

}  // namespace rdu::firmware

// --- what the firmware calls ---
using rdu::firmware::chip_now;

extern "C" {
uint8_t mmio_read8(uint64_t address) {
  return static_cast<uint8_t>(chip_now->read(address));
}
uint32_t mmio_read32(uint64_t address) {
  return static_cast<uint32_t>(chip_now->read(address));
}
uint64_t mmio_read64(uint64_t address) {
  return chip_now->read(address);
}
void mmio_write8(uint64_t address, uint8_t value) {
  chip_now->write(address, value);
}
void mmio_write32(uint64_t address, uint32_t value) {
  chip_now->write(address, value);
}
void mmio_write64(uint64_t address, uint64_t value) {
  chip_now->write(address, value);
}
const uint8_t* flash_at(uint32_t offset) {
  return chip_now->flash.data() + offset;
}
void cpu_wait(void) {
  chip_now->wait();
}
void cpu_wake_on(uint64_t mie) {
  chip_now->wake_on(mie);
}
uint64_t cpu_time(void) {
  return chip_now->read(RDU_BASE_CLINT + RDU_CLINT_MTIME);
}
void panic(const char* why) {
  throw std::logic_error(why);
}
}
