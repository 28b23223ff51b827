/* Two processes with a context each: everything that one has is tried by the other. The other is a child, so
 * that nothing but the device and the driver is between them. */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

#define HBM (24ull << 20)
#define DDR (8ull << 20)
#define SECRET 0x5ec2e75ec2e75ec2ull

static void fill(uint8_t* to, uint64_t bytes, uint64_t value) {
  for (uint64_t i = 0; i < bytes; i += 8) *(volatile uint64_t*)(to + i) = value;
}

static bool holds(const uint8_t* from, uint64_t bytes, uint64_t value) {
  for (uint64_t i = 0; i < bytes; i += 8)
    if (*(const volatile uint64_t*)(from + i) != value) return false;
  return true;
}

struct party {
  int file;
  uint32_t queue, context;
  struct rdu_ioc_memory hbm, ddr, host;
  uint8_t* pages;
};

static struct party join(uint64_t hbm_bytes, uint64_t ddr_bytes) {
  struct party p = {.file = open_device()};
  EXPECT(make_context(p.file, hbm_bytes, ddr_bytes, &p.context), 0);
  EXPECT(make_queue(p.file, 16, -1, &p.queue), 0);
  p.pages = host_pages(16 * PAGE);
  EXPECT(make_memory(p.file, RDU_MEMORY_HBM, hbm_bytes, NULL, &p.hbm), 0);
  EXPECT(make_memory(p.file, RDU_MEMORY_DDR, ddr_bytes, NULL, &p.ddr), 0);
  EXPECT(make_memory(p.file, RDU_MEMORY_HOST, 16 * PAGE, p.pages, &p.host), 0);
  return p;
}

static void refused(const struct party* p, struct rdu_sqe command) {
  const uint16_t status = execute(p->file, p->queue, command);
  if (status == RDU_STATUS_OK)
    fprintf(stderr, "opcode %#x, arguments %#llx %#llx %#llx succeeded\n", command.opcode,
            (unsigned long long)command.arg[0], (unsigned long long)command.arg[1],
            (unsigned long long)command.arg[2]);
  CHECK(status != RDU_STATUS_OK);
}

/* Addresses that are not p's: behind its segments, in other segments, physical, those that the other has. */
static void try_addresses(const struct party* p, const struct party* other) {
  const uint64_t segments[] = {0, RDU_SEGMENT_HBM, RDU_SEGMENT_DDR, RDU_SEGMENT_HOST};
  const uint64_t limits[] = {0, HBM / 8, DDR / 8, 0};
  uint64_t tries[512];
  size_t count = 0;
  for (int s = 0; s < 4; ++s) {
    tries[count++] = RDU_VA(segments[s], limits[s]);
    tries[count++] = RDU_VA(segments[s], limits[s] + PAGE);
    tries[count++] = RDU_VA(segments[s], (1ull << 44) - PAGE);
    for (unsigned bit = 28; bit < 44; ++bit) tries[count++] = RDU_VA(segments[s], 1ull << bit);
  }
  for (unsigned bit = 46; bit < 64; ++bit) tries[count++] = p->hbm.address | 1ull << bit;
  for (uint64_t page = 0; page < 64; ++page) { /* around its own host memory: pages that are not entered */
    const uint64_t address = RDU_VA(RDU_SEGMENT_HOST, page * PAGE);
    if (address < p->host.address || address >= p->host.address + 16 * PAGE) tries[count++] = address;
  }
  tries[count++] = p->host.address - PAGE;
  tries[count++] = (uintptr_t)other->pages; /* an address of a process is none of the device */
  tries[count++] = other->hbm.address + HBM - PAGE;
  for (size_t i = 0; i < count; ++i) {
    refused(p, copy(p->hbm.address, tries[i], 64));
    refused(p, copy(tries[i], p->hbm.address, 64));
    refused(p, (struct rdu_sqe){.opcode = RDU_CMD_LOAD_PROGRAM, .arg = {tries[i], PAGE, 0}});
  }
  refused(p, copy(p->hbm.address + HBM / 8 - 32, p->ddr.address, 64)); /* over the edge */
  refused(p, copy(p->ddr.address, p->hbm.address + HBM / 8 - 32, 64));
  refused(p, copy(p->host.address + 16 * PAGE - 32, p->hbm.address, 64));
}

/* Handles of the other's file are nothing in this one. */
static void try_handles(const struct party* p, const struct party* other) {
  struct rdu_sqe command = nop();
  struct rdu_completion completion;
  uint32_t count = 1;
  for (uint32_t handle = 0; handle < 64; ++handle) {
    if (handle != p->queue) {
      EXPECT(submit(p->file, handle, &command, &count, 0, NULL), ENOENT);
      EXPECT(take(p->file, handle, &completion, &count, 0), ENOENT);
      EXPECT(free_queue(p->file, handle), ENOENT);
    }
    if (handle != p->hbm.handle && handle != p->ddr.handle) {
      const off_t offset = (off_t)(p->hbm.mmap_offset / p->hbm.handle * handle);
      CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, p->file, offset) == MAP_FAILED && errno == EINVAL);
    }
    if (handle > p->host.handle) EXPECT(free_memory(p->file, handle), ENOENT);
  }
  (void)other;
  /* Nor can it speak for the other's context: the driver sets the number. */
  command = copy(p->hbm.address, p->ddr.address, 64);
  command.context = other->context;
  CHECK(execute(p->file, p->queue, command) == RDU_STATUS_OK);
}

/* The other's program: none is loaded for this context. */
static void try_launch(const struct party* p) {
  refused(p, (struct rdu_sqe){.opcode = RDU_CMD_LAUNCH, .arg = {p->hbm.address, 0, 0}});
}

int isolation(int argc, char** argv) {
  (void)argc, (void)argv;
  int ready[2], done[2];
  char byte = 0;
  CHECK(pipe(ready) == 0 && pipe(done) == 0);

  /* The owner: its memory, by both ways, and its host memory hold the secret. */
  struct party owner = join(HBM, DDR);
  uint8_t* const mapped =
      mmap(NULL, HBM, PROT_READ | PROT_WRITE, MAP_SHARED, owner.file, (off_t)owner.hbm.mmap_offset);
  CHECK(mapped != MAP_FAILED);
  fill(mapped, HBM, SECRET);
  fill(owner.pages, 16 * PAGE, SECRET);
  for (uint64_t at = 0; at < DDR; at += 16 * PAGE)
    CHECK(execute(owner.file, owner.queue, copy(owner.ddr.address + at, owner.host.address, 16 * PAGE)) ==
          RDU_STATUS_OK);

  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    close(owner.file);
    CHECK(munmap(mapped, HBM) == 0);
    struct party thief = join(HBM / 8, DDR / 8);
    fill(thief.pages, 16 * PAGE, 1);
    uint8_t* const own =
        mmap(NULL, HBM / 8, PROT_READ | PROT_WRITE, MAP_SHARED, thief.file, (off_t)thief.hbm.mmap_offset);
    CHECK(own != MAP_FAILED && holds(own, HBM / 8, 0));
    try_addresses(&thief, &owner);
    try_handles(&thief, &owner);
    try_launch(&thief);
    fill(own, HBM / 8, 2);
    CHECK(write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 1);
    /* The owner has gone: its memory is not to be found in a new context. */
    close(thief.file);
    CHECK(munmap(own, HBM / 8) == 0);
    struct party heir = join(2 * HBM, 2 * DDR);
    uint8_t* const all = mmap(NULL, 2 * HBM, PROT_READ, MAP_SHARED, heir.file, (off_t)heir.hbm.mmap_offset);
    CHECK(all != MAP_FAILED && holds(all, 2 * HBM, 0));
    uint8_t* const ddr = mmap(NULL, 2 * DDR, PROT_READ, MAP_SHARED, heir.file, (off_t)heir.ddr.mmap_offset);
    CHECK(ddr != MAP_FAILED && holds(ddr, 2 * DDR, 0));
    exit(0);
  }
  CHECK(read(ready[0], &byte, 1) == 1);
  CHECK(holds(mapped, HBM, SECRET));
  CHECK(holds(owner.pages, 16 * PAGE, SECRET));
  for (uint64_t at = 0; at < DDR; at += 16 * PAGE) {
    fill(owner.pages, 16 * PAGE, 3);
    CHECK(execute(owner.file, owner.queue, copy(owner.host.address, owner.ddr.address + at, 16 * PAGE)) ==
          RDU_STATUS_OK);
    CHECK(holds(owner.pages, 16 * PAGE, SECRET));
  }
  CHECK(munmap(mapped, HBM) == 0);
  close(owner.file);
  CHECK(write(done[1], &byte, 1) == 1);
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  printf("isolation: good\n");
  return 0;
}
