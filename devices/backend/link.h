/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A way out for Ethernet frames: a tap, a socket that somebody passed, or a user network. All are descriptors on which
 * one read(2) or write(2) is one frame, so the network device knows no difference but `vnet_hdr`.
 *
 * What the descriptors say, besides a frame and EAGAIN; errno in brackets:
 *
 *                          read                write               poll
 *     other end is gone    0                   [EPIPE]             EPOLLIN | EPOLLHUP
 *     the same, SOCK_DGRAM [EAGAIN]            [ECONNREFUSED] once, then [ENOTCONN]; EPOLLOUT: only writing tells
 *     tap is removed       [EBADFD]            [EBADFD]            EPOLLERR, for ever: stop watching it
 *     tap queue detached   [EAGAIN]            a frame is sent     EPOLLOUT
 *     tap is not up        [EAGAIN]            [EIO]               nothing: it goes on once it is up
 *
 * A socket's EPOLLOUT comes when three quarters of its buffer are free, which is later than write(2) would take a
 * frame. A frame of a tap may be LINK_FRAME_MAX bytes; read(2) cuts off what the buffer has no room for, and does not
 * tell. write(2) on a socket whose other end is gone raises SIGPIPE, which minivmm ignores (vmm/observe.c).
 */
#ifndef MINIVMM_LINK_H
#define MINIVMM_LINK_H

#include <stdbool.h>
#include <sys/types.h>

#define LINK_PAIRS_MAX 8
#define LINK_FRAME_MAX (12 + 14 + 4 + 65535) /* bytes: virtio-net header, Ethernet, VLAN tag, the largest packet */

struct sandbox;

struct link {
	int fds[LINK_PAIRS_MAX]; /* one a queue pair; nonblocking, close-on-exec; the link's */
	unsigned n_fds;          /* 1 to LINK_PAIRS_MAX; 0 where the link is closed */
	/* Each frame has a struct virtio_net_hdr_v1 (12 bytes, little-endian) before it, both ways, and offloads can be
	 * had: a tap. */
	bool vnet_hdr;
	bool detached[LINK_PAIRS_MAX]; /* by link_set_queue() */
	pid_t helper;                  /* minivmm-usernet, or 0 */
};

#define USERNET_HOSTFWD_MAX 16

/* The user network: 10.0.2.0/24, the host 10.0.2.2, DNS 10.0.2.3, the guest 10.0.2.15 by DHCP; see minivmm-usernet. */
struct usernet_settings {
	/* tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT, as the user wrote it; borrowed during the call */
	const char *const *hostfwd;
	unsigned n_hostfwd; /* at most USERNET_HOSTFWD_MAX */
	bool restrict_;     /* the guest reaches nothing outside; forwarded ports still work */
};

/* What a user may ask for; `tap` and `fd` exclude each other, and the user network. */
struct link_settings {
	const char *tap; /* or NULL */
	unsigned pairs;  /* of a tap */
	unsigned fd;     /* or 0 */
	struct usernet_settings user;
};

/*
 * link_open...(): fill in `link`, which need not be initialized. 0, or -errno with one message that begins with `who`
 * ("--device net"), and a link on which link_close() does nothing. One thread at a time; no guest runs yet.
 */

/* One of the three below, as the settings say. */
int link_open(struct link *link, const char *who, const struct link_settings *settings);
/* An existing tap; it is never made here. `pairs` is 1 to LINK_PAIRS_MAX: more than one need a multi_queue tap. */
int link_open_tap(struct link *link, const char *who, const char *name, unsigned pairs);
/*
 * A descriptor that whoever started minivmm left open, of which the link becomes the owner: a tap, or a connected
 * SOCK_SEQPACKET or SOCK_DGRAM Unix socket. It is made nonblocking, also for others who hold the same open file.
 * A tap that was opened with IFF_VNET_HDR has headers here as well; one without has none. It must have IFF_NO_PI, which
 * cannot be checked: TUNGETIFF has IFF_NOFILTER in the same bit.
 */
int link_open_fd(struct link *link, const char *who, unsigned fd_number);
/*
 * Starts minivmm-usernet, which is beside minivmm or in PATH, and waits until it is ready, at most 10 s. It ends with
 * the thread that calls this (PR_SET_PDEATHSIG), or with link_close(), whichever is first. What it cannot do it says
 * itself, on our standard error: then there is no second message.
 */
int link_open_user(struct link *link, const char *who, const struct usernet_settings *settings);

/*
 * What the guest's driver can take: TUN_F_CSUM, TUN_F_TSO4 and their kind (linux/if_tun.h), 0 for nothing, which is
 * what a link starts with. Frames without a header have no offloads: nothing is done. 0 or -errno, without a message.
 */
int link_set_offloads(struct link *link, unsigned tun_f_flags);
/*
 * Whether the host hands out frames on a pair; all are attached at first. Nothing where it is so already. A link of one
 * pair cannot detach it: -EOPNOTSUPP. 0 or -errno, without a message.
 */
int link_set_queue(struct link *link, unsigned pair, bool attached);
/* Closes the descriptors; ends the helper, within a second, and reaps it. */
void link_close(struct link *link);

/* The system calls of this link once a guest runs: frames, what the two functions above ask for, and the end. */
void link_allow(const struct link *link, struct sandbox *sandbox);

/* For the files of this directory: headers as in `vnet_hdr`, no offloads. 0 or -errno, without a message. */
int link_prepare_tap(int fd);

#endif
