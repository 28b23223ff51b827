#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fake_chip.h"
#include "test/catch.h"

#define _Noreturn [[noreturn]]  // C's word
extern "C" {
#include "mgmt/boot.h"
#include "mgmt/service.h"
}
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/hostctl.h"

namespace rdu::firmware {

/// A booted chip and the host's driver: queues in host memory, each with 16 KiB from bus address 32 KiB * (id
/// + 1).
class Device {
 public:
  FakeChip chip;

  Device() { boot(); }
  /// Boots a chip that `prepare` has changed.
  explicit Device(const std::function<void(FakeChip&)>& prepare) {
    prepare(chip);
    boot();
  }

  void enable(uint32_t entries = 8, uint32_t completions = 0) {
    if (completions == 0) completions = entries;
    queues_[0] = {entries, completions};
    clear(0);
    chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_AQA) = (entries - 1) | (completions - 1) << 16;
    chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_ASQ) = sq(0);
    chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_ACQ) = cq(0);
    chip.set_enable(true);
    chip.run();
  }

  /// Places a submission; ring() tells the device.
  uint16_t push(unsigned queue, uint8_t opcode, uint32_t context, std::vector<uint64_t> arguments) {
    rdu_sqe sqe{};
    sqe.opcode = opcode;
    sqe.command_id = next_id_++;
    sqe.context = context;
    std::copy(arguments.begin(), arguments.end(), sqe.arg);
    push(queue, sqe);
    return sqe.command_id;
  }
  void push(unsigned queue, const rdu_sqe& sqe) {
    Queue& q = queues_.at(queue);
    std::memcpy(chip.host(sq(queue) + q.tail * sizeof sqe), &sqe, sizeof sqe);
    q.tail = (q.tail + 1) % q.entries;
  }
  void ring(unsigned queue) { chip.ring_submission(queue, queues_.at(queue).tail); }

  /// Takes what completions have arrived, and says so unless `silent`.
  std::vector<rdu_cqe> take(unsigned queue, bool silent = false) {
    Queue& q = queues_.at(queue);
    std::vector<rdu_cqe> out;
    for (;;) {
      rdu_cqe cqe;
      std::memcpy(&cqe, chip.host(cq(queue) + q.head * sizeof cqe), sizeof cqe);
      if (cqe.phase != q.phase) break;
      q.head = (q.head + 1) % q.completions;
      if (q.head == 0) q.phase ^= 1;
      out.push_back(cqe);
    }
    if (!silent) chip.ring_completion(queue, q.head);
    return out;
  }

  /// One command, from its submission to its completion.
  rdu_cqe call(unsigned queue, uint8_t opcode, uint32_t context, std::vector<uint64_t> arguments) {
    const uint16_t id = push(queue, opcode, context, std::move(arguments));
    ring(queue);
    chip.run();
    const std::vector<rdu_cqe> done = take(queue);
    REQUIRE(done.size() == 1);
    CHECK(done[0].command_id == id);
    CHECK(done[0].start_ns <= done[0].end_ns);
    return done[0];
  }

  uint32_t create_context(uint64_t hbm = 1 << 20, uint64_t ddr = 1 << 20,
                          uint64_t host = FakeChip::kHostBytes) {
    const rdu_cqe cqe = call(0, RDU_ADMIN_CREATE_CONTEXT, 0, {hbm, ddr, host});
    REQUIRE(cqe.status == RDU_STATUS_OK);
    return static_cast<uint32_t>(cqe.result);
  }
  rdu_cqe create_queue(unsigned id, uint32_t context, uint32_t entries = 8) {
    queues_[id] = {entries, entries};
    clear(id);
    return call(0, RDU_ADMIN_CREATE_QUEUE, context, {id, sq(id), cq(id), entries, id});
  }

  uint64_t sq(unsigned queue) const { return 0x8000 * (queue + 1); }
  uint64_t cq(unsigned queue) const { return sq(queue) + 0x4000; }

 private:
  struct Queue {
    uint32_t entries, completions, tail = 0, head = 0;
    uint16_t phase = 1;
  };
  void clear(unsigned queue) { std::memset(chip.host(cq(queue)), 0, 0x4000); }

  std::map<unsigned, Queue> queues_;
  uint16_t next_id_ = 100;
};

}  // namespace rdu::firmware
