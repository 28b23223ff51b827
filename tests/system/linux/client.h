/* What the parts of linux_client share: the calls of rdu_ioctl.h, each with its error. It runs in the guest,
 * straight on the driver: tests of the driver must not depend on the runtime. */
#ifndef CLIENT_H
#define CLIENT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "linux/rdu_ioctl.h"
#include "rdu_abi.h"

#define PAGE 4096u
#define SECOND 1000000000ull

extern const char* device_path; /* /dev/rdu0 */

/* Ends the program with a line that says where. */
#define CHECK(condition)                                    \
  do {                                                      \
    if (!(condition)) fail(__FILE__, __LINE__, #condition); \
  } while (0)
/* The call must give this errno value, 0 for success. */
#define EXPECT(call, error)                                                    \
  do {                                                                         \
    const int got_ = (call);                                                   \
    if (got_ != (error)) fail_error(__FILE__, __LINE__, #call, got_, (error)); \
  } while (0)
_Noreturn void fail(const char* file, int line, const char* what);
_Noreturn void fail_error(const char* file, int line, const char* call, int got, int expected);

/* Each gives 0 or the errno value. */
int call(int file, unsigned long request, void* argument);
int make_context(int file, uint64_t hbm_bytes, uint64_t ddr_bytes, uint32_t* context);
int make_memory(int file, uint32_t type, uint64_t bytes, void* user, struct rdu_ioc_memory* memory);
int free_memory(int file, uint32_t handle);
int make_queue(int file, uint32_t entries, int eventfd, uint32_t* handle);
int free_queue(int file, uint32_t handle);
int submit(int file, uint32_t queue, const struct rdu_sqe* commands, uint32_t* count, uint64_t timeout_ns,
           uint64_t* first);
int take(int file, uint32_t queue, struct rdu_completion* to, uint32_t* count, uint64_t timeout_ns);

int open_device(void); /* or the end */
struct rdu_sqe nop(void);
struct rdu_sqe copy(uint64_t to, uint64_t from, uint64_t bytes);
/* Submits one, waits for its completion and gives its status. */
uint16_t execute(int file, uint32_t queue, struct rdu_sqe command);
/* Submits a command that ends when the device has an event to tell, of which there is none. */
void wait_for_event(int file, uint32_t queue);
uint8_t* host_pages(uint64_t bytes); /* of zeroes, page aligned */

/* The parts: argument lists of the command line. */
int calls(int argc, char** argv);
int isolation(int argc, char** argv);
int fuzz(int argc, char** argv);
int cycles(int argc, char** argv);
int hold(int argc, char** argv);
int busy(int argc, char** argv);
int inject(int argc, char** argv);
int launch(int argc, char** argv);

#endif
