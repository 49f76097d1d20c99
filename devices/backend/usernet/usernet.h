/* SPDX-License-Identifier: GPL-2.0-only */
/* Between minivmm and minivmm-usernet: a SOCK_SEQPACKET socket, one message a frame, both ways, but for the first. */
#ifndef MINIVMM_USERNET_H
#define MINIVMM_USERNET_H

#define USERNET_FD         3       /* the helper's end of the socket; minivmm closing the other is its end */
#define USERNET_READY      "ready" /* the helper's first message, without the 0: all ports are bound */
#define USERNET_EXIT_USAGE 2       /* its status where it did not like its arguments, as against 1 for all else */

#endif
