#include "mgmt/crypto.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.h"

namespace rdu::mgmt {

using namespace regs::crypto;

namespace {

using Digest = std::array<uint8_t, 64>;

/// SHA-384 is SHA-512 with other initial values, cut to 48 bytes (FIPS 180-4, section 5.3.4 and 6.5).
void sha384(uint8_t* digest, const uint8_t* data, uint64_t length) {
  static constexpr uint64_t kInitial[8] = {0xcbbb9d5dc1059ed8u, 0x629a292a367cd507u, 0x9159015a3070dd17u,
                                           0x152fecd8f70e5939u, 0x67332667ffc00b31u, 0x8eb44a8768581511u,
                                           0xdb0c2e0d64f98fa7u, 0x47b5481dbefa4fa4u};
  crypto_hash_sha512_state state;
  crypto_hash_sha512_init(&state);
  std::copy(std::begin(kInitial), std::end(kInitial), state.state);
  crypto_hash_sha512_update(&state, data, length);
  Digest whole;
  crypto_hash_sha512_final(&state, whole.data());
  std::memcpy(digest, whole.data(), 48);
}

template <unsigned N>
std::array<uint8_t, 4 * N> bytes_of(const core::RegisterArray<N>& words) {
  std::array<uint8_t, 4 * N> bytes;
  for (unsigned i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<uint8_t>(words[i / 4].value() >> 8 * (i % 4));
  return bytes;
}

}  // namespace

Crypto::Crypto(const sc_core::sc_module_name& module_name, const CryptoParams& params)
    : sc_module(module_name), bus("bus"), params_(params), port_(name(), regs_) {
  SC_HAS_PROCESS(Crypto);
  SC_METHOD(finish);
  sensitive << done_;
  dont_initialize();
  if (sodium_init() < 0)
    throw core::Error(core::ErrorKind::internal, name(), "libsodium cannot be initialised");
  regs_.COMMAND.on_write([this](uint64_t) { start(); });
  regs_.STATUS.on_write([this](uint64_t) { update_interrupt(); });
  regs_.IRQ_ENABLE.on_write([this](uint64_t) { update_interrupt(); });
}

void Crypto::start() {
  if (regs_.STATUS.get(STATUS::BUSY)) {
    core::report_guest_fault(name(), "COMMAND written while busy; ignored");
    return;
  }
  op_ = regs_.COMMAND.get(COMMAND::OP);
  regs_.STATUS.set_value(0);
  update_interrupt();
  if (op_ < COMMAND::OP_SHA256 || op_ > COMMAND::OP_ED25519_VERIFY) {
    end(STATUS::ERROR_BAD_COMMAND);
  } else if (regs_.LENGTH.value() > params_.max_length) {
    end(STATUS::ERROR_BAD_LENGTH);
  } else {
    regs_.STATUS.set(STATUS::BUSY, 1);
    done_.notify(core::to_sc(duration(op_)));
  }
}

core::Time Crypto::duration(uint64_t op) const {
  const bool verify = op == COMMAND::OP_ED25519_VERIFY;
  const uint64_t hashed = regs_.LENGTH.value() + (verify ? 64 : 0);  // R and the key come before the message
  const uint64_t cycles = params_.setup + (hashed + params_.bytes_per_cycle - 1) / params_.bytes_per_cycle +
                          (verify ? params_.verify : 0);
  return core::Clock{(1'000'000'000'000u + params_.clock / 2) / params_.clock}.time(cycles);
}

bool Crypto::read(std::vector<uint8_t>& bytes) {
  const uint64_t from = regs_.SOURCE.value(), length = regs_.LENGTH.value();
  bytes.resize(length);
  if (length == 0) return true;
  tlm::tlm_generic_payload payload;
  payload.set_command(tlm::TLM_READ_COMMAND);
  payload.set_address(from);
  payload.set_data_length(1);
  tlm::tlm_dmi dmi;
  if (!bus->get_direct_mem_ptr(payload, dmi) || !dmi.is_read_allowed()) return false;
  const uint64_t last = from + (length - 1);
  if (last < from || from < dmi.get_start_address() || last > dmi.get_end_address()) return false;
  std::memcpy(bytes.data(), dmi.get_dmi_ptr() + (from - dmi.get_start_address()), length);
  return true;
}

void Crypto::finish() {
  std::vector<uint8_t> message;
  if (!read(message)) {
    core::report_guest_fault(name(), fmt::format("{:#x} bytes from {:#x} do not lie in ROM, flash or RAM",
                                                 regs_.LENGTH.value(), regs_.SOURCE.value()));
    end(STATUS::ERROR_BAD_ADDRESS);
    return;
  }
  Digest digest{};
  switch (op_) {
    case COMMAND::OP_SHA256:
      crypto_hash_sha256(digest.data(), message.data(), message.size());
      break;
    case COMMAND::OP_SHA384:
      sha384(digest.data(), message.data(), message.size());
      break;
    case COMMAND::OP_SHA512:
      crypto_hash_sha512(digest.data(), message.data(), message.size());
      break;
    default: {
      const auto signature = bytes_of(regs_.SIGNATURE);
      const auto key = bytes_of(regs_.KEY);
      const bool valid =
          crypto_sign_verify_detached(signature.data(), message.data(), message.size(), key.data()) == 0;
      regs_.STATUS.set(STATUS::VALID, valid);
      end(STATUS::ERROR_NONE);
      return;
    }
  }
  for (unsigned i = 0; i < regs_.DIGEST.size(); ++i) {
    uint32_t word = 0;
    std::memcpy(&word, digest.data() + 4 * i, 4);
    regs_.DIGEST[i].set_value(word);
  }
  end(STATUS::ERROR_NONE);
}

void Crypto::end(uint64_t error) {
  regs_.STATUS.set(STATUS::BUSY, 0);
  regs_.STATUS.set(STATUS::ERROR, error);
  regs_.STATUS.set(STATUS::DONE, 1);
  update_interrupt();
}

void Crypto::update_interrupt() {
  interrupt.set(regs_.STATUS.get(STATUS::DONE) && regs_.IRQ_ENABLE.get(IRQ_ENABLE::DONE));
}

void Crypto::reset() {
  done_.cancel();
  regs_.reset();
  update_interrupt();
}

}  // namespace rdu::mgmt
