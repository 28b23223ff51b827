#ifndef RDU_FW_IRQ_H
#define RDU_FW_IRQ_H

#include <stdbool.h>

void irq_init(void);
/* Hands every pending interrupt to the service that it belongs to; false when there was none. */
bool irq_service(void);

#endif
