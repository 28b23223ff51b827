#include "fabric/test/bench.h"

#include "test/catch.h"

namespace rdu::fabric::test {

namespace regs = rdu::regs::sequencer;

Bench::Bench(const sc_core::sc_module_name& name, const FabricParams& p)
    : sc_module(name),
      params(p),
      memory("memory", kMemory),
      translator(kMemory),
      tile("tile", p, memory, translator, 100),
      socket("socket") {
  socket.bind(tile.registers().socket);
  tile.interrupt.connect(*this, 0);
}

uint64_t Bench::transport(tlm::tlm_command command, uint64_t offset, uint64_t value, unsigned bytes) {
  tlm::tlm_generic_payload payload;
  sc_core::sc_time delay;
  payload.set_command(command);
  payload.set_address(offset);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
  payload.set_data_length(bytes);
  payload.set_streaming_width(bytes);
  socket->b_transport(payload, delay);
  REQUIRE(payload.is_response_ok());
  return value;
}

uint64_t Bench::read(uint64_t offset, unsigned bytes) {
  return transport(tlm::TLM_READ_COMMAND, offset, 0, bytes);
}

void Bench::write(uint64_t offset, uint64_t value, unsigned bytes) {
  transport(tlm::TLM_WRITE_COMMAND, offset, value, bytes);
}

void Bench::command(core::Field field, uint64_t more) {
  core::set_guest_fault_sink([this](const core::GuestFault& fault) { faults.push_back(fault); });
  write(regs::kCONTROL_OFFSET, field.mask() | more | regs::CONTROL::CONTEXT.set(0, FakeTranslator::kContext));
}

uint64_t Bench::wait(core::Time limit) {
  const core::Time end = core::now() + limit;
  while (regs::STATUS::DONE.get(read(regs::kSTATUS_OFFSET)) == 0) {
    REQUIRE(core::now() < end);
    sc_core::sc_start(core::to_sc(100 * core::kNanosecond));
  }
  REQUIRE_FALSE(memory.posted_late);
  return regs::FAULT::CODE.get(read(regs::kFAULT_OFFSET));
}

uint64_t Bench::load(const std::vector<uint8_t>& stream, uint64_t address, bool scrub) {
  std::copy(stream.begin(), stream.end(), memory.data.begin() + static_cast<ptrdiff_t>(address));
  write(regs::kPROGRAM_ADDRESS_OFFSET, virtual_address(address), 8);
  write(regs::kPROGRAM_SIZE_OFFSET, stream.size());
  command(regs::CONTROL::PLOAD, scrub ? regs::CONTROL::SCRUB.mask() : 0);
  return wait();
}

uint64_t Bench::execute() {
  command(regs::CONTROL::EXEC);
  return wait();
}

uint64_t Bench::arguments(const std::vector<rdu_argument_tuple>& tuples, bool then_execute) {
  constexpr uint64_t kAt = 0x80000;
  std::memcpy(&memory.data[kAt], tuples.data(), tuples.size() * sizeof tuples[0]);
  write(regs::kARGUMENT_ADDRESS_OFFSET, virtual_address(kAt), 8);
  write(regs::kARGUMENT_COUNT_OFFSET, tuples.size());
  core::Field field = regs::CONTROL::ALOAD;
  if (then_execute) field.width = 2;  // ALOAD and EXEC are neighbours
  command(field);
  return wait();
}

Bench::Counters Bench::counters(uint32_t unit) {
  write(regs::kPERF_SELECT_OFFSET, unit);
  return {read(regs::kPERF_BUSY_OFFSET, 8), read(regs::kPERF_STALL_IN_OFFSET, 8),
          read(regs::kPERF_STALL_OUT_OFFSET, 8), read(regs::kPERF_VECTORS_OFFSET, 8),
          read(regs::kPERF_BYTES_OFFSET, 8)};
}

}  // namespace rdu::fabric::test
